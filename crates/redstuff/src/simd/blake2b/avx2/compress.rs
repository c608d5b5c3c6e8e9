//! The compression function on whole registers.
//!
//! The 16 words of state of four messages take all 16 registers, and rotating by 63 bits needs one more. Compilers then
//! spill words that the next step waits for, and make two shuffles of one that rotates by 16 bits: 1000 cycles for each
//! block of four messages. Here one word is *parked* in memory, the same throughout: it is needed early and used late, so
//! that nothing waits for it. That leaves 570 cycles, where the instructions need 544 at three in a cycle (AMD Zen 3).

use std::arch::{asm, x86_64::*};

use super::super::IV;

/// Chaining values of four messages.
pub(super) type State = [__m256i; 8];
/// A block of each of four messages, by words.
pub(super) type Words = [__m256i; 16];

/// The word of the state that lies in memory; its register holds what is done with it.
const PARKED: usize = 11;

/// Shuffles that rotate each word to the right by three bytes, and by two.
static SHUFFLES: [Shuffle; 2] = [Shuffle::rotating(3), Shuffle::rotating(2)];

/// As the instruction reads it.
#[repr(align(32))]
struct Shuffle(#[expect(dead_code, reason = "only the assembly reads it")] [u8; 32]);

impl Shuffle {
    const fn rotating(by: usize) -> Self {
        let mut order = [0; 32];
        let mut i = 0;
        while i < order.len() {
            // Byte `i` comes from byte `i + by` of the same word; shuffles count from the 16 bytes that they work in.
            order[i] = (i % 16 / 8 * 8 + (i + by) % 8).to_le_bytes()[0];
            i += 1;
        }
        Self(order)
    }
}

macro_rules! rotate {
    (32 $x:tt) => {
        concat!("vpshufd ymm", $x, ", ymm", $x, ", 0xb1\n")
    };
    (24 $x:tt) => {
        concat!("vpshufb ymm", $x, ", ymm", $x, ", [{shuffles}]\n")
    };
    (16 $x:tt) => {
        concat!("vpshufb ymm", $x, ", ymm", $x, ", [{shuffles} + 32]\n")
    };
    (63 $x:tt) => {
        concat!(
            "vpaddq ymm11, ymm",
            $x,
            ", ymm",
            $x,
            "\n",
            "vpsrlq ymm",
            $x,
            ", ymm",
            $x,
            ", 63\n",
            "vpor ymm",
            $x,
            ", ymm",
            $x,
            ", ymm11\n",
        )
    };
}

/// Instructions for a quarter of all steps of half a round. A *mixing* one adds a message word, where it is not known to
/// be zero, and `b` to `a`, then `d = (d ^ a) >>> rotation`; the others do `c += d; b = (b ^ c) >>> rotation`.
macro_rules! quarter {
    (mix $rotation:tt, $([$a:tt $b:tt $d:tt $word:tt])*) => { concat!($(
        ".if ", $word, " < {words}\n",
        "vpaddq ymm", $a, ", ymm", $a, ", [{message} + 32 * ", $word, "]\n",
        ".endif\n",
        "vpaddq ymm", $a, ", ymm", $a, ", ymm", $b, "\n",
        "vpxor ymm", $d, ", ymm", $d, ", ymm", $a, "\n",
        rotate!($rotation $d),
    )*) };
    ($rotation:tt, $([$c:tt $d:tt $b:tt])*) => { concat!($(quarter!(add $c $d $b), rotate!($rotation $b),)*) };
    (add parked $d:tt $b:tt) => { concat!(
        "vpaddq ymm11, ymm", $d, ", [{parked}]\n",
        "vmovdqa [{parked}], ymm11\n",
        "vpxor ymm", $b, ", ymm", $b, ", ymm11\n",
    ) };
    (add $c:tt $d:tt $b:tt) => { concat!(
        "vpaddq ymm", $c, ", ymm", $c, ", ymm", $d, "\n",
        "vpxor ymm", $b, ", ymm", $b, ", ymm", $c, "\n",
    ) };
}

/// A round, given its order of message words. Word `i` of the state is register `i`.
macro_rules! round {
    ($s0:tt $s1:tt $s2:tt $s3:tt $s4:tt $s5:tt $s6:tt $s7:tt
     $s8:tt $s9:tt $s10:tt $s11:tt $s12:tt $s13:tt $s14:tt $s15:tt) => { concat!(
        // Columns.
        quarter!(mix 32, [0 4 12 $s0] [1 5 13 $s2] [2 6 14 $s4] [3 7 15 $s6]),
        quarter!(24, [8 12 4] [9 13 5] [10 14 6] [parked 15 7]),
        quarter!(mix 16, [0 4 12 $s1] [1 5 13 $s3] [2 6 14 $s5] [3 7 15 $s7]),
        quarter!(63, [8 12 4] [9 13 5] [10 14 6] [parked 15 7]),
        // Diagonals.
        quarter!(mix 32, [0 5 15 $s8] [1 6 12 $s10] [2 7 13 $s12] [3 4 14 $s14]),
        quarter!(24, [10 15 5] [parked 12 6] [8 13 7] [9 14 4]),
        quarter!(mix 16, [0 5 15 $s9] [1 6 12 $s11] [2 7 13 $s13] [3 4 14 $s15]),
        quarter!(63, [10 15 5] [parked 12 6] [8 13 7] [9 14 4]),
    ) };
}

/// Takes in one block of four messages; words from `WORDS` on are not read and count as zero. `counter` is the number of
/// message bytes up to the end of this block.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super::super) fn compress<const WORDS: usize>(
    state: &mut State,
    message: &Words,
    counter: usize,
    last: bool,
) {
    let mut v = working(state, counter, last);
    let mut parked = v[PARKED];
    // SAFETY: reads words of `message` below 16, which lie 32 bytes apart, and both shuffles, all aligned to that; writes
    // nothing but `parked`, as aligned, and the registers that are named.
    unsafe {
        asm!(
            rounds!(round),
            words = const WORDS,
            message = in(reg) std::ptr::from_ref(message),
            shuffles = in(reg) &raw const SHUFFLES,
            parked = in(reg) &raw mut parked,
            inout("ymm0") v[0], inout("ymm1") v[1], inout("ymm2") v[2], inout("ymm3") v[3],
            inout("ymm4") v[4], inout("ymm5") v[5], inout("ymm6") v[6], inout("ymm7") v[7],
            inout("ymm8") v[8], inout("ymm9") v[9], inout("ymm10") v[10], out("ymm11") _,
            inout("ymm12") v[12], inout("ymm13") v[13], inout("ymm14") v[14], inout("ymm15") v[15],
            options(nostack, preserves_flags),
        );
    }
    v[PARKED] = parked;
    for (i, word) in state.iter_mut().enumerate() {
        *word = _mm256_xor_si256(*word, _mm256_xor_si256(v[i], v[i + 8]));
    }
}

/// The working vector before the first round.
#[inline]
#[target_feature(enable = "avx2")]
fn working(state: &State, counter: usize, last: bool) -> Words {
    let mut v = [_mm256_setzero_si256(); 16];
    v[..8].copy_from_slice(state);
    for (word, constant) in v[8..].iter_mut().zip(IV) {
        *word = _mm256_set1_epi64x(constant.cast_signed());
    }
    let counter = i64::try_from(counter).expect("shorter than the address space");
    v[12] = _mm256_xor_si256(v[12], _mm256_set1_epi64x(counter));
    if last {
        v[14] = _mm256_xor_si256(v[14], _mm256_set1_epi64x(-1));
    }
    v
}
