//! The compression function on whole registers.
//!
//! Eight messages fill the 512-bit registers, and their 16 words of state leave half of the 32 registers free. One set
//! of eight keeps four steps in flight, each waiting for the one before it, which leaves execution units idle: 88 cycles a
//! message where the instructions need 72. Two sets fill the gaps, 81 cycles (AMD Zen 4). They take all 32 registers, so
//! message words are added from memory, and the order of the instructions is what it is about: compilers undo it
//! and spill. Hence the assembly.

use std::arch::{asm, x86_64::*};

use super::super::IV;

/// Chaining values of sixteen messages: messages 0 to 7 in the lanes of the first set, 8 to 15 in those of the second.
pub(in super::super::super) type State = [[__m512i; 8]; 2];
/// A block of each of sixteen messages, by words.
pub(in super::super::super) type Words = [[__m512i; 16]; 2];

/// Instructions for a quarter of all steps of half a round. A *mixing* one adds a message word, where it is not known to
/// be zero, and `b` to `a`, then `d = (d ^ a) >>> rotation`; the others do `c += d; b = (b ^ c) >>> rotation`.
macro_rules! quarter {
    (mix $rotation:literal, $([$a:literal $b:literal $d:literal $set:literal $word:literal])*) => { concat!($(
        ".if ", $word, " < {words}\n",
        "vpaddq zmm", $a, ", zmm", $a, ", [{message} + 1024 * ", $set, " + 64 * ", $word, "]\n",
        ".endif\n",
        "vpaddq zmm", $a, ", zmm", $a, ", zmm", $b, "\n",
        "vpxorq zmm", $d, ", zmm", $d, ", zmm", $a, "\n",
        "vprorq zmm", $d, ", zmm", $d, ", ", $rotation, "\n",
    )*) };
    ($rotation:literal, $([$c:literal $d:literal $b:literal])*) => { concat!($(
        "vpaddq zmm", $c, ", zmm", $c, ", zmm", $d, "\n",
        "vpxorq zmm", $b, ", zmm", $b, ", zmm", $c, "\n",
        "vprorq zmm", $b, ", zmm", $b, ", ", $rotation, "\n",
    )*) };
}

/// A round on both sets, given its order of message words. Word `i` of the state is register `i` or `16 + i`.
macro_rules! round {
    ($s0:literal $s1:literal $s2:literal $s3:literal $s4:literal $s5:literal $s6:literal $s7:literal
     $s8:literal $s9:literal $s10:literal $s11:literal $s12:literal $s13:literal $s14:literal $s15:literal) => { concat!(
        // Columns.
        quarter!(mix 32, [0 4 12 0 $s0] [1 5 13 0 $s2] [2 6 14 0 $s4] [3 7 15 0 $s6]
            [16 20 28 1 $s0] [17 21 29 1 $s2] [18 22 30 1 $s4] [19 23 31 1 $s6]),
        quarter!(24, [8 12 4] [9 13 5] [10 14 6] [11 15 7] [24 28 20] [25 29 21] [26 30 22] [27 31 23]),
        quarter!(mix 16, [0 4 12 0 $s1] [1 5 13 0 $s3] [2 6 14 0 $s5] [3 7 15 0 $s7]
            [16 20 28 1 $s1] [17 21 29 1 $s3] [18 22 30 1 $s5] [19 23 31 1 $s7]),
        quarter!(63, [8 12 4] [9 13 5] [10 14 6] [11 15 7] [24 28 20] [25 29 21] [26 30 22] [27 31 23]),
        // Diagonals.
        quarter!(mix 32, [0 5 15 0 $s8] [1 6 12 0 $s10] [2 7 13 0 $s12] [3 4 14 0 $s14]
            [16 21 31 1 $s8] [17 22 28 1 $s10] [18 23 29 1 $s12] [19 20 30 1 $s14]),
        quarter!(24, [10 15 5] [11 12 6] [8 13 7] [9 14 4] [26 31 21] [27 28 22] [24 29 23] [25 30 20]),
        quarter!(mix 16, [0 5 15 0 $s9] [1 6 12 0 $s11] [2 7 13 0 $s13] [3 4 14 0 $s15]
            [16 21 31 1 $s9] [17 22 28 1 $s11] [18 23 29 1 $s13] [19 20 30 1 $s15]),
        quarter!(63, [10 15 5] [11 12 6] [8 13 7] [9 14 4] [26 31 21] [27 28 22] [24 29 23] [25 30 20]),
    ) };
}

/// Takes in one block of sixteen messages; words from `WORDS` on are not read and count as zero. `counter` is the number
/// of message bytes up to the end of this block.
#[inline]
#[target_feature(enable = "avx512f")]
pub(in super::super::super) fn compress<const WORDS: usize>(
    state: &mut State,
    message: &Words,
    counter: usize,
    last: bool,
) {
    let [mut a, mut b] = [working(&state[0], counter, last), working(&state[1], counter, last)];
    // SAFETY: reads words of `message` below 16, which lie 64 bytes apart, those of the sets 1024; writes nothing but the
    // registers that are named.
    unsafe {
        asm!(
            rounds!(round),
            words = const WORDS,
            message = in(reg) std::ptr::from_ref(message),
            inout("zmm0") a[0], inout("zmm1") a[1], inout("zmm2") a[2], inout("zmm3") a[3],
            inout("zmm4") a[4], inout("zmm5") a[5], inout("zmm6") a[6], inout("zmm7") a[7],
            inout("zmm8") a[8], inout("zmm9") a[9], inout("zmm10") a[10], inout("zmm11") a[11],
            inout("zmm12") a[12], inout("zmm13") a[13], inout("zmm14") a[14], inout("zmm15") a[15],
            inout("zmm16") b[0], inout("zmm17") b[1], inout("zmm18") b[2], inout("zmm19") b[3],
            inout("zmm20") b[4], inout("zmm21") b[5], inout("zmm22") b[6], inout("zmm23") b[7],
            inout("zmm24") b[8], inout("zmm25") b[9], inout("zmm26") b[10], inout("zmm27") b[11],
            inout("zmm28") b[12], inout("zmm29") b[13], inout("zmm30") b[14], inout("zmm31") b[15],
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    finish(&mut state[0], &a);
    finish(&mut state[1], &b);
}

/// The working vector before the first round.
#[inline]
#[target_feature(enable = "avx512f")]
fn working(state: &[__m512i; 8], counter: usize, last: bool) -> [__m512i; 16] {
    let mut v = [_mm512_setzero_si512(); 16];
    v[..8].copy_from_slice(state);
    for (word, constant) in v[8..].iter_mut().zip(IV) {
        *word = _mm512_set1_epi64(constant.cast_signed());
    }
    let counter = i64::try_from(counter).expect("shorter than the address space");
    v[12] = _mm512_xor_si512(v[12], _mm512_set1_epi64(counter));
    if last {
        v[14] = _mm512_xor_si512(v[14], _mm512_set1_epi64(-1));
    }
    v
}

/// The chaining value after the last round.
#[inline]
#[target_feature(enable = "avx512f")]
fn finish(state: &mut [__m512i; 8], v: &[__m512i; 16]) {
    for (i, word) in state.iter_mut().enumerate() {
        *word = _mm512_ternarylogic_epi64::<0x96>(*word, v[i], v[i + 8]);
    }
}
