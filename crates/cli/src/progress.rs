//! Progress bars, on stderr and only where it is a terminal.

use std::{sync::Arc, time::Duration};

use floe_client::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Global;

/// One bar that goes through the phases of an operation.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar, or none where nobody would see it.
    pub(crate) fn new(global: &Global) -> Option<Arc<Self>> {
        let visible = !global.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr());
        visible.then(|| Arc::new(Self(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()))))
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn phase(&self, name: &str, total: Option<u64>) {
        self.0.set_message(name.to_owned());
        self.0.set_position(0);
        let template = match total {
            Some(total) => {
                self.0.set_length(total);
                "{msg:<12} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}"
            }
            None => "{spinner} {msg} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.enable_steady_tick(Duration::from_millis(100));
    }

    fn advance(&self, n: u64) {
        self.0.inc(n);
    }
}
