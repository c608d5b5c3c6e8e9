//! What the processor offers, found at run time, and the only unsafe code of the crate.
//!
//! | level | hashing | arithmetic in GF(2^16) |
//! |---|---|---|
//! | `portable` | one message at a time | tables of `reed-solomon-simd` (NEON there on ARM) |
//! | `avx2` | four messages at a time ([`blake2b`]) | a product is eight lookups ([`gf16`]) |
//! | `avx512` | sixteen messages at a time ([`blake2b`]) | GFNI: a product is two instructions ([`gf16`]) |
//!
//! The environment variable `FLOE_SIMD` names a level to be used instead of the best one; a level that the processor
//! does not have falls back to the best one below it. All levels give the same bytes.
//!
//! Every engine is held against the plain code by property tests, which also run at each level and under AddressSanitizer
//! (`just test-simd avx2`, `just asan`). Miri cannot run this code: it knows neither the assembly nor most of AVX-512.

mod blake2b;
pub(crate) mod chains;
#[cfg(target_arch = "x86_64")]
pub(crate) mod gf16;

use std::sync::LazyLock;

/// Proof that the processor has the instructions that the modules here use: AVX-512 with F, BW, VL, VBMI2, and GFNI
/// (Intel since 2019, AMD since 2022).
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx512(());

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("avx2");
        has.then_some(Self(()))
    }
}

/// Proof that the processor has AVX2 (Intel since 2013, AMD since 2015).
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// A level of vector instructions that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Nothing beyond what the dependencies choose by themselves for single operations.
    Portable,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 512-bit vectors and GFNI.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// The level of vector instructions in use: `portable`, `avx2` or `avx512`. The environment variable `FLOE_SIMD` chooses
/// one; without it, or if the processor lacks it, it is the best one that the processor has.
pub fn simd_level() -> &'static str {
    Level::active().name()
}

static ACTIVE: LazyLock<Level> = LazyLock::new(|| Level::choose(std::env::var("FLOE_SIMD").ok().as_deref()));

/// Up to this many messages leave half of the lanes of AVX-512 empty, and are hashed faster four at a time.
#[cfg(target_arch = "x86_64")]
const FEW_MESSAGES: usize = 8;

impl Level {
    /// The level at which this many messages are hashed fastest, if this one is the best there is.
    pub(crate) fn for_messages(self, count: usize) -> Self {
        match self {
            // Whoever has AVX-512 has AVX2: both were looked for.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) if count <= FEW_MESSAGES => Self::Avx2(Avx2(())),
            level => level,
        }
    }

    /// The level in use: the best one, or what `FLOE_SIMD` says.
    pub(crate) fn active() -> Self {
        *ACTIVE
    }

    /// All levels of this processor, from the best down.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [Avx512::detect().map(Self::Avx512), Avx2::detect().map(Self::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors = [];
        vectors.into_iter().flatten().chain([Self::Portable])
    }

    fn choose(wanted: Option<&str>) -> Self {
        let at_most = |level: &Self| match wanted {
            Some("portable") => *level == Self::Portable,
            Some("avx2") => level.name() != "avx512",
            _ => true,
        };
        Self::available().find(at_most).unwrap_or(Self::Portable)
    }

    /// The name, as `FLOE_SIMD` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_chosen_by_name_or_the_next_below() {
        assert_eq!(Level::choose(Some("portable")), Level::Portable);
        assert_ne!(Level::choose(Some("avx2")).name(), "avx512");
        for level in Level::available() {
            assert_eq!(Level::choose(Some(level.name())), level);
        }
        assert_eq!(Level::choose(None), Level::available().next().unwrap());
    }
}
