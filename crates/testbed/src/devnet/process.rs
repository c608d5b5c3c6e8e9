//! One storage node as a process of its own.
//!
//! A node ends when its standard input closes, so that no node outlives a devnet that was killed. It takes another port
//! if its own is taken, and says on standard output under which URL it is reached.

use std::{
    fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, timeout_at},
};

use super::{DevnetError, Layout};

const POLL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct NodeProcess {
    name: String,
    binary: PathBuf,
    child: Child,
    pid: u32,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    dead: bool,
}

impl NodeProcess {
    pub(super) fn spawn(binary: &std::path::Path, layout: &Layout, name: &str) -> Result<Self, DevnetError> {
        let log = fs::OpenOptions::new().create(true).append(true).open(layout.node_log(name))?;
        let mut child = Command::new(binary)
            .args(["node", "run", "--managed", "--config"])
            .arg(layout.node_config(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // A Ctrl-C in the terminal is for the devnet, which then ends its nodes in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        let pid = child.id().unwrap_or(0);
        Ok(Self { name: name.to_owned(), binary: binary.to_owned(), child, pid, stdin, stdout, dead: false })
    }

    pub(super) fn respawn(&mut self, layout: &Layout) -> Result<(), DevnetError> {
        *self = Self::spawn(&self.binary, layout, &self.name)?;
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the node answers that it is ready; gives its URL.
    pub(super) async fn wait_ready(&mut self, within: Duration, layout: &Layout) -> Result<String, DevnetError> {
        let deadline = Instant::now() + within;
        let failed = |name: &str, why: String| DevnetError::NodeFailed {
            name: name.to_owned(),
            why,
            log: layout.node_log(name),
        };
        let mut url = String::new();
        if let Some(stdout) = &mut self.stdout {
            match timeout_at(deadline, stdout.read_line(&mut url)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => {
                    return Err(failed(&self.name, format!("it ended with {}", describe(self.child.wait().await?))));
                }
                Err(_) => return Err(failed(&self.name, format!("it said nothing within {} s", within.as_secs()))),
            }
        }
        let url = url.trim_end().to_owned();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(failed(&self.name, format!("it ended with {}", describe(status))));
            }
            if super::control::http_ok(&format!("{url}/readyz")).await {
                return Ok(url);
            }
            if Instant::now() > deadline {
                return Err(failed(&self.name, format!("it was not ready within {} s", within.as_secs())));
            }
            sleep(POLL).await;
        }
    }

    /// How the process ended, once, if it ended without being told to.
    pub(super) fn newly_dead(&mut self) -> Option<String> {
        if self.dead {
            return None;
        }
        let status = self.child.try_wait().ok()??;
        self.dead = true;
        Some(describe(status))
    }

    /// Lets the node finish what it is doing and end.
    pub(super) fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end; past the time given the node is killed.
    pub(super) async fn wait_stopped(&mut self, within: Duration) {
        self.dead = true;
        if timeout_at(Instant::now() + within, self.child.wait()).await.is_err() {
            tracing::warn!(node = %self.name, "does not end: killed");
            // Only fails if the process is gone already.
            let _ = self.child.kill().await;
        }
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    status.to_string()
}
