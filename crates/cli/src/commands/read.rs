//! `floe read`

mod target;

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use base64::{engine::general_purpose::STANDARD, write::EncoderWriter};
use floe_client::{BlobStream, ClientError, Consistency, FloeClient, ReadOptions};
use floe_redstuff::BlobId;
use futures::StreamExt;
use serde::Serialize;

use self::target::{NewFile, Target, cannot_write};
use super::shutdown_signal;
use crate::{
    args::{Global, MemoryArgs, ReadArgs},
    error::{CliError, EXIT_INTERRUPTED},
    network,
    output::{Output, size},
    progress::Bar,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    out: PathBuf,
    blob_id: String,
}

/// One read.
struct Reading<'g> {
    global: &'g Global,
    id: BlobId,
    consistency: Consistency,
    memory: MemoryArgs,
    bar: Option<Arc<Bar>>,
}

pub(crate) async fn run(global: &Global, args: ReadArgs) -> Result<(), CliError> {
    let id = network::blob_id(&args.blob_id)?;
    let consistency = match (args.strict_consistency_check, args.skip_consistency_check) {
        (true, _) => Consistency::Strict,
        (_, true) => Consistency::Skip,
        _ => Consistency::Default,
    };
    let target = Target::find(args.out.as_deref())?;
    let reading = Reading { global, id, consistency, memory: args.memory, bar: Bar::new(global) };
    match target {
        Target::Stdout if global.json => reading.to_report().await,
        Target::Stdout => {
            let blob = reading.stream().await?;
            reading.copy(blob, &mut io::stdout().lock(), CliError::from).await
        }
        Target::Stream(mut file, out) => {
            let blob = reading.stream().await?;
            let length = blob.length();
            reading.copy(blob, &mut file, |error| cannot_write(&out, &error)).await?;
            reading.succeeded(length, out)
        }
        Target::File(out) => {
            // Otherwise a signal would leave what has been read so far.
            let interrupted = shutdown_signal()?;
            let file = NewFile::create(&out)?;
            let length = tokio::select! {
                length = reading.to_file(file) => length?,
                () = interrupted.cancelled() => {
                    let message = format!("interrupted; {} is as it was", out.display());
                    return Err(CliError::new("CLI-INTERRUPTED", EXIT_INTERRUPTED, message));
                }
            };
            reading.succeeded(length, out)
        }
    }
}

impl Reading<'_> {
    async fn connect(&self, memory: &MemoryArgs) -> Result<(FloeClient, ReadOptions), CliError> {
        let (client, _) = network::connect_to_read(self.global, memory).await?;
        let progress = self.bar.clone().map(|bar| bar as _);
        Ok((client, ReadOptions { consistency: self.consistency, progress }))
    }

    /// The blob, in order.
    async fn stream(&self) -> Result<BlobStream, CliError> {
        let (client, options) = self.connect(&self.memory).await?;
        Ok(client.read_stream(&self.id, options).await?)
    }

    /// What cannot be completed ends with an error after good bytes.
    async fn copy(
        &self,
        mut blob: BlobStream,
        out: &mut impl Write,
        failed: impl Fn(io::Error) -> CliError,
    ) -> Result<(), CliError> {
        while let Some(piece) = blob.next().await {
            let piece = piece?;
            tokio::task::block_in_place(|| out.write_all(&piece)).map_err(&failed)?;
        }
        self.finish();
        out.flush().map_err(failed)
    }

    /// A report with the blob in it, printed as it comes.
    async fn to_report(&self) -> Result<(), CliError> {
        let blob = self.stream().await?;
        let mut out = io::stdout().lock();
        write!(out, "{{\n  \"blobId\": \"{}\",\n  \"blob\": \"", self.id)?;
        let mut encoder = EncoderWriter::new(&mut out, &STANDARD);
        self.copy(blob, &mut encoder, CliError::from).await?;
        encoder.finish()?;
        drop(encoder);
        out.write_all(b"\"\n}\n")?;
        Ok(out.flush()?)
    }

    async fn to_file(&self, file: NewFile) -> Result<u64, CliError> {
        let mut memory = self.memory.clone();
        if memory.spool_dir.is_none() {
            // What is decoded from lies beside what comes out of it: on a disk that is meant for it.
            let configured = network::client_file(self.global)?.spool_dir;
            memory.spool_dir = configured.or_else(|| Some(file.folder().to_owned()));
        }
        let (client, options) = self.connect(&memory).await?;
        let length = client.read_to(&self.id, file.handle()?, options).await.map_err(|error| match error {
            ClientError::Target(error) => cannot_write(file.name(), &error),
            error => error.into(),
        })?;
        self.finish();
        file.keep()?;
        Ok(length)
    }

    fn succeeded(&self, length: u64, out: PathBuf) -> Result<(), CliError> {
        let report = Report { out, blob_id: self.id.to_string() };
        let text = || format!("Success: {} written to {}", size(length), report.out.display());
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
