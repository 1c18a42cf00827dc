//! Where `top` writes: the whole of a terminal, given back as it was, or plain lines where there is none. Must not know
//! what is shown.

use std::io::{self, IsTerminal as _, Write as _};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{execute, queue};

use crate::failure::Failure;

pub(super) struct Screen {
    is_terminal: bool,
}

impl Screen {
    pub(super) fn open(plain: bool) -> Result<Self, Failure> {
        let is_terminal = !plain && io::stdout().is_terminal();
        if is_terminal {
            execute!(io::stdout(), EnterAlternateScreen, Hide).map_err(Failure::from_stdout)?;
        }
        Ok(Self { is_terminal })
    }

    pub(super) fn show(&mut self, lines: &[String]) -> Result<(), Failure> {
        self.write(lines).map_err(Failure::from_stdout)
    }

    fn write(&self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.is_terminal {
            for line in lines {
                writeln!(out, "{line}")?;
            }
            return out.flush();
        }
        let (width, height) = terminal::size()?;
        queue!(out, MoveTo(0, 0))?;
        for (row, line) in (0..height).zip(lines) {
            // What does not fit is cut, so that nothing scrolls; our lines are ASCII.
            let shown: String = line.chars().take(width.into()).collect();
            queue!(out, MoveTo(0, row), Clear(ClearType::UntilNewLine))?;
            out.write_all(shown.as_bytes())?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            // The terminal may be gone, and then nobody needs it back.
            let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        }
    }
}
