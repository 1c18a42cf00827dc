//! Standard output, the one place that writes data there. Must not know what the lines mean.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::failure::Failure;

/// Buffered standard output. A reader that went away ends the program quietly, as it ends `cat`.
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    /// Takes standard output for this command.
    pub(crate) fn lock() -> Self {
        Self { out: BufWriter::with_capacity(64 * 1024, io::stdout().lock()) }
    }

    /// Writes `text` and a line end.
    pub(crate) fn line(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.write(|out| {
            out.write_all(text)?;
            out.write_all(b"\n")
        })
    }

    /// Lets `write` write into the buffer.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.out).map_err(Failure::from_stdout)
    }

    /// Makes what was written visible to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::from_stdout)
    }
}
