//! Progress where stderr is no terminal: a line after ten seconds, after twenty, after forty, and so on.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::TermLike;

const FIRST: Duration = Duration::from_secs(10);

/// What a bar draws on, which keeps nearly all of it to itself.
#[derive(Debug)]
pub(super) struct Lines(Mutex<State>);

#[derive(Debug)]
struct State {
    start: Instant,
    next: Duration,
    line: String,
}

impl Default for Lines {
    fn default() -> Self {
        Self(Mutex::new(State { start: Instant::now(), next: FIRST, line: String::new() }))
    }
}

impl State {
    /// The line that is to be said after so long, if one is.
    fn due(&mut self, passed: Duration) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = line.trim();
        if line.is_empty() || passed < self.next {
            return None;
        }
        while self.next <= passed {
            self.next *= 2;
        }
        Some(line.to_owned())
    }
}

impl TermLike for Lines {
    fn width(&self) -> u16 {
        100
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write_str(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if let Ok(mut state) = self.0.lock() {
            state.line.push_str(text);
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        if let Ok(mut state) = self.0.lock() {
            state.line.clear();
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let line = self.0.lock().ok().and_then(|mut state| {
            let passed = state.start.elapsed();
            state.due(passed)
        });
        if let Some(line) = line {
            super::say(line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_after_ten_seconds_and_then_ever_more_rarely() {
        let mut state = State { start: Instant::now(), next: FIRST, line: String::new() };
        let mut said = Vec::new();
        for second in 1..=100 {
            state.line = format!(" {second} of 100 ");
            said.extend(state.due(Duration::from_secs(second)));
        }
        assert_eq!(said, ["10 of 100", "20 of 100", "40 of 100", "80 of 100"]);
        assert_eq!(state.due(Duration::from_secs(1000)), None);
    }
}
