//! anvil as a child process on a free port.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

pub struct Anvil {
    child: Child,
    pub port: u16,
}

impl Anvil {
    /// Starts it with the rules of an upgrade and waits until it listens.
    pub fn start(binary: &OsStr, hardfork: &str) -> Self {
        let mut child = Command::new(binary)
            .args(["--port", "0", "--hardfork", hardfork, "--prune-history", "256", "--order", "fifo"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("FLOE_ANVIL={}: {e}", binary.display()));
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = output.lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.strip_prefix("Listening on ")?.rsplit_once(':')?.1.trim().parse().ok())
            .expect("anvil says where it listens");
        // It logs every request; somebody has to read that.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
