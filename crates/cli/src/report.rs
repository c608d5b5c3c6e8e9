//! Doing several things one after the other: what was done is printed also where a later one fails.

use serde_json::{Value, json};

use crate::{error::CliError, output::Output};

/// What was done so far.
#[derive(Default)]
pub(crate) struct Report {
    values: Vec<Value>,
    texts: Vec<String>,
    failed: Option<CliError>,
}

impl Report {
    /// Notes what one thing has come to, as JSON and as text. False where it failed: then nothing more is to be done.
    pub(crate) fn add<T, E: Into<CliError>>(
        &mut self,
        outcome: Result<T, E>,
        describe: impl FnOnce(T) -> (Value, String),
    ) -> bool {
        match outcome {
            Ok(done) => {
                let (value, text) = describe(done);
                self.values.push(value);
                self.texts.push(text);
                true
            }
            Err(error) => {
                self.failed = Some(error.into());
                false
            }
        }
    }

    /// Prints `{key: […]}` or the texts, `nothing` where there was nothing to do; then the failure ends the command. The
    /// only thing that was to be done leaves no result when it fails.
    pub(crate) fn print(self, output: &Output, key: &str, nothing: &str) -> Result<(), CliError> {
        if self.failed.is_none() || !self.values.is_empty() {
            output.result(&json!({key: self.values}), || match self.texts.is_empty() {
                true => nothing.to_owned(),
                false => self.texts.join("\n"),
            })?;
        }
        self.failed.map_or(Ok(()), Err)
    }
}
