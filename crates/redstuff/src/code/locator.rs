//! Where a codeword lacks symbols, as a polynomial.

use reed_solomon_simd::engine::{GF_MODULUS, GF_ORDER, tables};

/// Logarithms of the values of `Π (x - e)` over all erased positions `e`, leaving out a factor that is zero, at the
/// positions `0..erased.len()` (a power of two).
///
/// The logarithm of a product over `e` of `log(x + e)` is a convolution over XOR, and a Walsh–Hadamard transform turns it
/// into a product. Positions beyond the domain contribute, as whole cosets of it, the same factor everywhere; it
/// cancels in decoding, so they need not be there: a transform of 2048 instead of 65 536 at 1000 shards.
pub(crate) fn logarithms(erased: &[bool]) -> Vec<u16> {
    let size = erased.len();
    assert!(size.is_power_of_two() && size <= GF_ORDER);
    let log = &tables::get_exp_log().log;
    let mut logs: Vec<u32> = log[..size].iter().map(|log| u32::from(*log)).collect();
    // The logarithm of zero: a position does not count at itself.
    logs[0] = 0;
    let mut values: Vec<u32> = erased.iter().map(|erased| u32::from(*erased)).collect();
    walsh_hadamard(&mut logs);
    walsh_hadamard(&mut values);
    for (value, log) in values.iter_mut().zip(&logs) {
        *value = reduce(*value * log);
    }
    walsh_hadamard(&mut values);
    // Twice the transform is multiplication by the size; 2^16 is 1 here.
    let inverse = u32::try_from(GF_ORDER / size).expect("at most 2^16") % u32::from(GF_MODULUS);
    let log = |value: &u32| u16::try_from(reduce(value * inverse)).expect("reduced");
    values.iter().map(log).collect()
}

/// Modulo 65 535; the result is at most that.
fn reduce(value: u32) -> u32 {
    let once = (value & 0xffff) + (value >> 16);
    (once & 0xffff) + (once >> 16)
}

/// Modulo 65 535, in place.
fn walsh_hadamard(values: &mut [u32]) {
    let mut distance = 1;
    while distance < values.len() {
        for group in values.chunks_exact_mut(2 * distance) {
            let (low, high) = group.split_at_mut(distance);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (reduce(*a + *b), reduce(*a + u32::from(GF_MODULUS) - *b));
            }
        }
        distance *= 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_the_sum_of_logarithms(bits in 0u32..9, erased: [bool; 256]) {
            let erased = &erased[..1 << bits.min(8)];
            let table = &tables::get_exp_log().log;
            for (x, got) in logarithms(erased).into_iter().enumerate() {
                let others = (0..erased.len()).filter(|e| erased[*e] && *e != x);
                let sum: u32 = others.map(|e| u32::from(table[x ^ e])).sum();
                prop_assert_eq!(u32::from(got) % 65535, sum % 65535);
            }
        }
    }
}
