//! Request bodies: in memory while small, in an unnamed temporary file when not, never beyond the limit.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// How bodies are kept.
#[derive(Debug, Clone)]
pub(crate) struct SpoolOptions {
    pub(crate) bytes_max: u64,
    pub(crate) threshold_bytes: usize,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) idle_max: Duration,
}

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("the body is longer than {max} bytes")]
    TooLarge { max: u64 },
    #[error("the body ended early or was broken off: {0}")]
    Broken(String),
    #[error("the body brought nothing for {} s", .0.as_secs())]
    Idle(Duration),
    #[error("temporary file: {0}")]
    File(#[from] io::Error),
}

/// A complete body.
#[derive(Debug)]
pub(crate) enum Spooled {
    Memory(Bytes),
    File { file: File, len: u64 },
}

impl Spooled {
    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

/// Takes the whole body.
pub(crate) async fn spool(mut body: Body, options: &SpoolOptions) -> Result<Spooled, SpoolError> {
    let mut pending = BytesMut::new();
    let mut file = None;
    let mut len = 0u64;
    loop {
        let frame = tokio::time::timeout(options.idle_max, body.frame())
            .await
            .map_err(|_| SpoolError::Idle(options.idle_max))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| SpoolError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        len += data.len() as u64;
        if len > options.bytes_max {
            return Err(SpoolError::TooLarge { max: options.bytes_max });
        }
        pending.extend_from_slice(&data);
        if pending.len() > options.threshold_bytes {
            file = Some(append(file, pending.split().freeze(), options.dir.clone()).await?);
        }
    }
    match file {
        None => Ok(Spooled::Memory(pending.freeze())),
        Some(file) => {
            let file = append(Some(file), pending.freeze(), None).await?;
            Ok(Spooled::File { file, len })
        }
    }
}

async fn append(file: Option<File>, bytes: Bytes, dir: Option<PathBuf>) -> Result<File, SpoolError> {
    blocking(move || {
        let mut file = match (file, dir) {
            (Some(file), _) => file,
            (None, Some(dir)) => tempfile::tempfile_in(dir)?,
            (None, None) => tempfile::tempfile()?,
        };
        file.write_all(&bytes)?;
        Ok(file)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, SpoolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(SpoolError::File(io::Error::other(error))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    fn options(threshold_bytes: usize) -> SpoolOptions {
        SpoolOptions { bytes_max: 1000, threshold_bytes, dir: None, idle_max: Duration::from_millis(50) }
    }

    fn body(chunks: &'static [&'static [u8]]) -> Body {
        Body::from_stream(futures::stream::iter(
            chunks.iter().map(|chunk| Ok::<_, io::Error>(Bytes::from_static(chunk))),
        ))
    }

    #[tokio::test]
    async fn memory_and_file_give_the_same() {
        for threshold in [0, 3, 100] {
            let spooled = spool(body(&[b"ab", b"cdef", b"", b"g"]), &options(threshold)).await.unwrap();
            assert_eq!(spooled.len(), 7);
            assert_eq!(matches!(spooled, Spooled::Memory(_)), threshold == 100);
            assert_eq!(load(spooled), b"abcdefg");
        }
        let empty = spool(Body::empty(), &options(0)).await.unwrap();
        assert_eq!(load(empty), b"");
    }

    fn load(spooled: Spooled) -> Vec<u8> {
        match spooled {
            Spooled::Memory(bytes) => bytes.to_vec(),
            Spooled::File { mut file, len } => {
                let mut bytes = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes.len() as u64, len);
                bytes
            }
        }
    }

    #[tokio::test]
    async fn bad_bodies() {
        let mut small = options(2);
        small.bytes_max = 4;
        let result = spool(body(&[b"abc", b"de"]), &small).await;
        assert!(matches!(result, Err(SpoolError::TooLarge { max: 4 })));
        let broken =
            Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"a")), Err(io::Error::other("gone"))]));
        assert!(matches!(spool(broken, &small).await, Err(SpoolError::Broken(_))));
        let silent = Body::from_stream(futures::stream::pending::<io::Result<Bytes>>());
        assert!(matches!(spool(silent, &small).await, Err(SpoolError::Idle(_))));
    }
}
