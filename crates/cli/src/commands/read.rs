//! `floe read`

mod target;

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use base64::{engine::general_purpose::STANDARD, write::EncoderWriter};
use bytes::Bytes;
use floe_client::{ClientError, Consistency, FloeClient, ReadOptions};
use floe_redstuff::BlobId;
use futures::{StreamExt, stream::BoxStream};
use serde::Serialize;

use self::target::{NewFile, Target, cannot_write};
use super::shutdown_signal;
use crate::{
    args::{Global, MemoryArgs, ReadArgs},
    error::{CliError, EXIT_INTERRUPTED},
    memory, network,
    output::{Output, size},
    progress::Bar,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    out: PathBuf,
    blob_id: String,
    /// Bytes that were written.
    length: u64,
    /// Bytes that nodes sent.
    received_bytes: u64,
}

/// Bytes on their way, in order, and whom they come from.
struct Pieces {
    client: FloeClient,
    length: u64,
    pieces: BoxStream<'static, Result<Bytes, ClientError>>,
}

/// A part of a blob.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: u64,
    /// Up to the end if it is not given.
    length: Option<u64>,
}

/// One read.
struct Reading<'g> {
    global: &'g Global,
    id: BlobId,
    part: Option<Part>,
    consistency: Consistency,
    memory: MemoryArgs,
    bar: Option<Arc<Bar>>,
}

pub(crate) async fn run(global: &Global, args: ReadArgs) -> Result<(), CliError> {
    memory::keep_freed(memory::SLIVER_BYTES);
    let id = network::blob_id(&args.blob_id)?;
    let consistency = match (args.strict_consistency_check, args.skip_consistency_check) {
        (true, _) => Consistency::Strict,
        (_, true) => Consistency::Skip,
        _ => Consistency::Default,
    };
    let part = (args.start.is_some() || args.length.is_some())
        .then(|| Part { start: args.start.map_or(0, |size| size.0), length: args.length.map(|size| size.0) });
    let target = Target::find(args.out.as_deref())?;
    let reading = Reading { global, id, part, consistency, memory: args.memory, bar: Bar::new(global) };
    match target {
        Target::Stdout if global.json => reading.to_report().await,
        Target::Stdout => {
            let mut pieces = reading.stream(&reading.memory).await?;
            reading.copy(&mut pieces, &mut io::stdout().lock(), CliError::from).await
        }
        Target::Stream(mut file, out) => {
            let mut pieces = reading.stream(&reading.memory).await?;
            reading.copy(&mut pieces, &mut file, |error| cannot_write(&out, &error)).await?;
            reading.succeeded(&pieces.client, pieces.length, out)
        }
        Target::File(out) => {
            // Otherwise a signal would leave what has been read so far.
            let interrupted = shutdown_signal()?;
            let file = NewFile::create(&out)?;
            let (client, length) = tokio::select! {
                done = reading.to_file(file) => done?,
                () = interrupted.cancelled() => {
                    let message = format!("interrupted; {} is as it was", out.display());
                    return Err(CliError::new("CLI-INTERRUPTED", EXIT_INTERRUPTED, message));
                }
            };
            reading.succeeded(&client, length, out)
        }
    }
}

impl Reading<'_> {
    async fn connect(&self, memory: &MemoryArgs) -> Result<(FloeClient, ReadOptions), CliError> {
        let (client, _) = network::connect_to_read(self.global, memory).await?;
        let progress = self.bar.clone().map(|bar| bar as _);
        Ok((client, ReadOptions { consistency: self.consistency, progress }))
    }

    /// What is to be read, in order.
    async fn stream(&self, memory: &MemoryArgs) -> Result<Pieces, CliError> {
        let (client, options) = self.connect(memory).await?;
        let Some(Part { start, length }) = self.part else {
            let blob = client.read_stream(&self.id, options).await?;
            return Ok(Pieces { client, length: blob.length(), pieces: blob.boxed() });
        };
        let length = match length {
            Some(length) => length,
            None => client.size_of(&self.id).await?.saturating_sub(start),
        };
        let pieces = client.read_range_stream(&self.id, start, length).await?.boxed();
        Ok(Pieces { client, length, pieces })
    }

    /// What cannot be completed ends with an error after good bytes.
    async fn copy(
        &self,
        pieces: &mut Pieces,
        out: &mut impl Write,
        failed: impl Fn(io::Error) -> CliError,
    ) -> Result<(), CliError> {
        while let Some(piece) = pieces.pieces.next().await {
            let piece = piece?;
            tokio::task::block_in_place(|| out.write_all(&piece)).map_err(&failed)?;
        }
        self.finish();
        out.flush().map_err(failed)
    }

    /// A report with the blob in it, printed as it comes.
    async fn to_report(&self) -> Result<(), CliError> {
        let mut pieces = self.stream(&self.memory).await?;
        let mut out = io::stdout().lock();
        write!(out, "{{\n  \"blobId\": \"{}\",\n  \"blob\": \"", self.id)?;
        let mut encoder = EncoderWriter::new(&mut out, &STANDARD);
        self.copy(&mut pieces, &mut encoder, CliError::from).await?;
        encoder.finish()?;
        drop(encoder);
        write!(out, "\",\n  \"receivedBytes\": {}\n}}\n", pieces.client.received_bytes())?;
        Ok(out.flush()?)
    }

    /// Gives the bytes written, and whom they came from.
    async fn to_file(&self, file: NewFile) -> Result<(FloeClient, u64), CliError> {
        let mut memory = self.memory.clone();
        if memory.spool_dir.is_none() {
            // What is decoded from lies beside what comes out of it: on a disk that is meant for it.
            let configured = network::client_file(self.global)?.spool_dir;
            memory.spool_dir = configured.or_else(|| Some(file.folder().to_owned()));
        }
        let handle = file.handle()?;
        let read = match self.part {
            Some(_) => self.part_to_file(&memory, handle, &file).await?,
            None => self.blob_to_file(&memory, handle, &file).await?,
        };
        self.finish();
        file.keep()?;
        Ok(read)
    }

    async fn blob_to_file(
        &self,
        memory: &MemoryArgs,
        handle: File,
        file: &NewFile,
    ) -> Result<(FloeClient, u64), CliError> {
        let (client, options) = self.connect(memory).await?;
        let length = client.read_to(&self.id, handle, options).await.map_err(|error| match error {
            ClientError::Target(error) => cannot_write(file.name(), &error),
            error => error.into(),
        })?;
        Ok((client, length))
    }

    async fn part_to_file(
        &self,
        memory: &MemoryArgs,
        mut handle: File,
        file: &NewFile,
    ) -> Result<(FloeClient, u64), CliError> {
        let mut pieces = self.stream(memory).await?;
        self.copy(&mut pieces, &mut handle, |error| cannot_write(file.name(), &error)).await?;
        Ok((pieces.client, pieces.length))
    }

    fn succeeded(&self, client: &FloeClient, length: u64, out: PathBuf) -> Result<(), CliError> {
        let received_bytes = client.received_bytes();
        let report = Report { out, blob_id: self.id.to_string(), length, received_bytes };
        let text = || {
            let (read, received) = (size(length), size(received_bytes));
            format!("Success: {read} written to {}, {received} received", report.out.display())
        };
        Output::new(self.global).result(&report, text)
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}
