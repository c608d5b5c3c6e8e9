//! BLAKE2b-256 of many messages of one length at once: each in its own lane of the vectors.
//!
//! All messages here are leaves and inner nodes of Merkle trees, that is, one prefix byte and then what is hashed. Additions
//! of message words that are known to be zero are left out, which are most of them for a short leaf.

/// The instructions of all rounds: `$round` makes those of one, given its order of message words, which is a row of [`SIGMA`].
#[cfg(target_arch = "x86_64")]
macro_rules! rounds {
    ($round:ident) => { concat!(
        $round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
        $round!(14 10 4 8 9 15 13 6 1 12 0 2 11 7 5 3),
        $round!(11 8 12 0 5 2 15 13 10 14 3 6 7 1 9 4),
        $round!(7 9 3 1 13 12 11 14 2 6 5 10 4 0 15 8),
        $round!(9 0 5 7 2 4 10 15 14 1 11 12 6 8 3 13),
        $round!(2 12 6 10 0 11 8 3 4 13 7 5 15 14 1 9),
        $round!(12 5 1 15 14 13 4 10 0 7 6 3 9 2 8 11),
        $round!(13 11 7 14 12 1 3 9 5 0 15 4 8 6 2 10),
        $round!(6 15 14 9 11 3 0 8 12 2 13 7 1 4 10 5),
        $round!(10 2 8 4 7 6 1 5 15 11 9 14 3 12 13 0),
        $round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
        $round!(14 10 4 8 9 15 13 6 1 12 0 2 11 7 5 3),
    ) };
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::{compress as compress_four, message as message_of_four};
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::{State, Words, compress, message};

/// Bytes that a compression takes in.
pub(crate) const BLOCK: usize = 128;

pub(super) const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// The chaining value before the first block: output of 32 bytes, no key, sequential mode.
pub(super) const INITIAL: [u64; 8] = {
    let mut words = IV;
    words[0] ^= 0x0101_0020;
    words
};

pub(super) const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
