use std::fmt;

/// Which of the two slivers of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SliverAxis {
    /// A row of the message matrix.
    Primary = 1,
    /// A column of the message matrix.
    Secondary = 2,
}

/// Names one sliver: blob, pair, axis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliverKey {
    /// The blob id.
    pub blob: [u8; 32],
    /// The pair index.
    pub pair: u16,
    /// Primary or secondary.
    pub axis: SliverAxis,
}

impl fmt::Debug for SliverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&RecordKey::sliver(self), f)
    }
}

/// What a data record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum ItemKind {
    Metadata = 0,
    Primary = 1,
    Secondary = 2,
}

impl ItemKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Metadata),
            1 => Some(Self::Primary),
            2 => Some(Self::Secondary),
            _ => None,
        }
    }
}

/// Bytes of a key in the index: blob id, kind, pair index (big-endian, so that keys sort).
pub(crate) const KEY_BYTES: usize = 35;

/// The key of a data record, in the log and in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordKey {
    pub(crate) blob: [u8; 32],
    pub(crate) kind: ItemKind,
    pub(crate) pair: u16,
}

impl RecordKey {
    pub(crate) fn metadata(blob: [u8; 32]) -> Self {
        Self { blob, kind: ItemKind::Metadata, pair: 0 }
    }

    pub(crate) fn sliver(key: &SliverKey) -> Self {
        let kind = match key.axis {
            SliverAxis::Primary => ItemKind::Primary,
            SliverAxis::Secondary => ItemKind::Secondary,
        };
        Self { blob: key.blob, kind, pair: key.pair }
    }

    /// The sliver that this key names; `None` for metadata.
    pub(crate) fn as_sliver(&self) -> Option<SliverKey> {
        let axis = match self.kind {
            ItemKind::Metadata => return None,
            ItemKind::Primary => SliverAxis::Primary,
            ItemKind::Secondary => SliverAxis::Secondary,
        };
        Some(SliverKey { blob: self.blob, pair: self.pair, axis })
    }

    pub(crate) fn to_bytes(self) -> [u8; KEY_BYTES] {
        let mut bytes = [0; KEY_BYTES];
        bytes[..32].copy_from_slice(&self.blob);
        bytes[32] = self.kind as u8;
        bytes[33..].copy_from_slice(&self.pair.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        let (blob, rest) = bytes.split_first_chunk::<32>()?;
        let [kind, high, low] = *rest.first_chunk::<3>()?;
        Some(Self { blob: *blob, kind: ItemKind::from_byte(kind)?, pair: u16::from_be_bytes([high, low]) })
    }

    /// The first and the last possible key of a blob.
    pub(crate) fn range_of(blob: &[u8; 32]) -> ([u8; KEY_BYTES], [u8; KEY_BYTES]) {
        let mut low = [0; KEY_BYTES];
        let mut high = [0xff; KEY_BYTES];
        low[..32].copy_from_slice(blob);
        high[..32].copy_from_slice(blob);
        (low, high)
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ItemKind::Metadata => "metadata",
            ItemKind::Primary => "primary sliver",
            ItemKind::Secondary => "secondary sliver",
        };
        write!(f, "{what}")?;
        if self.kind != ItemKind::Metadata {
            write!(f, " of pair {}", self.pair)?;
        }
        write!(f, " of blob ")?;
        self.blob[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "…")
    }
}
