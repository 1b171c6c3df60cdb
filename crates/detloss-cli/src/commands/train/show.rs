//! How a run that is going on is shown: as a bar in a terminal, as lines elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::output::{CliError, progress, say};
use crate::text::duration;
use crate::training::run::{EvalPoint, Progress};
use crate::training::stop::Stop;

/// Without a terminal there is a line at least so often.
const SILENCE: Duration = Duration::from_secs(30);

/// The training loss is said to part from the held-out one when the latter is so many times what it was at its best.
const PARTED: f64 = 1.3;

/// What is seen of runs, one after the other.
pub(super) struct Show {
    bar: ProgressBar,
    /// Steps of a run.
    steps: usize,
    /// Whether pictures can be learned by heart.
    repeats: bool,
    /// The steps of the runs before this one.
    before: Cell<usize>,
    /// What comes before the line of a run.
    name: Cell<String>,
    /// How many evaluations were said.
    points: Cell<usize>,
    /// When the last line was.
    spoke: Cell<Instant>,
    /// How far the run was when it went on, and when that was.
    began: Cell<(usize, Instant)>,
    parted: Cell<bool>,
    stop: Stop,
}

impl Show {
    /// Of some runs of so many steps each; `repeats` says whether the same pictures are trained on again and again.
    pub(super) fn new(steps: usize, runs: usize, repeats: bool) -> Result<Self, CliError> {
        let now = Instant::now();
        Ok(Self {
            // Elsewhere evaluations are lines of their own.
            bar: if std::io::stderr().is_terminal() {
                progress((steps * runs) as u64, "steps")
            } else {
                ProgressBar::hidden()
            },
            steps,
            repeats,
            before: Cell::default(),
            name: Cell::default(),
            points: Cell::default(),
            spoke: Cell::new(now),
            began: Cell::new((0, now)),
            parted: Cell::default(),
            stop: Stop::listen().map_err(CliError::failure)?,
        })
    }

    /// The next run has this name.
    pub(super) fn name(&self, name: &str) {
        self.name.set(format!("{name}: "));
    }

    /// A run is over, however it ended.
    pub(super) fn next(&self) {
        self.before.set(self.before.get() + self.steps);
    }

    /// No more runs.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Says a line as it is, and leaves the bar below it.
    pub(super) fn note(&self, words: &str) {
        self.bar.suspend(|| say(words));
        self.spoke.set(Instant::now());
    }

    /// Says a line of a run.
    fn say(&self, words: &str) {
        let name = self.name.take();
        self.note(&format!("{name}{words}"));
        self.name.set(name);
    }

    /// Says from where a run goes on.
    pub(super) fn begin(&self, progress: &Progress) {
        self.points.set(progress.points.len());
        self.began.set((progress.step, Instant::now()));
        self.parted.set(false);
        if progress.step > 0 {
            self.say(&format!("goes on after step {} of {}", progress.step, self.steps));
        }
    }

    /// A step was done, or an evaluation.
    pub(super) fn step(&self, progress: &Progress) -> ControlFlow<()> {
        self.bar.set_position((self.before.get() + progress.step) as u64);
        if progress.points.len() > self.points.replace(progress.points.len()) {
            let point = progress.points.last().expect("there is one more");
            let EvalPoint { ap, .. } = point;
            if self.bar.is_hidden() {
                self.say(&format!("step {} of {}, {}", point.step, self.steps, words(point)));
            } else {
                let name = self.name.take();
                self.bar.set_message(format!("{name}AP {ap:.3}, steps"));
                self.name.set(name);
            }
            if self.repeats
                && let Some(best) = parted(&progress.points)
                && !self.parted.replace(true)
            {
                self.say(&format!(
                    "note: since step {best} the loss of the scores falls in training and rises on what is held out: the pictures are \
                     learned by heart. More pictures help, more --augment, or fewer --steps"
                ));
            }
        } else if self.bar.is_hidden() && self.spoke.get().elapsed() > SILENCE {
            let (step, start) = self.began.get();
            let each = start.elapsed().as_secs_f64() / (progress.step - step).max(1) as f64;
            let left = duration(each * (self.steps - progress.step) as f64);
            self.say(&format!("step {} of {}, about {left} left", progress.step, self.steps));
        }
        if self.stop.wanted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What an evaluation found.
fn words(point: &EvalPoint) -> String {
    format!(
        "{:.1} s: loss of the scores {:.4} ({:.4} held out), of the boxes {:.4} ({:.4}); AP {:.3}, AP50 {:.3}",
        point.seconds,
        point.scores,
        point.held_out_scores,
        point.boxes,
        point.held_out_boxes,
        point.ap,
        point.ap50
    )
}

/// Since which step the held-out loss rises while that of training falls, if both have for two evaluations.
fn parted(points: &[EvalPoint]) -> Option<usize> {
    let best = points.iter().min_by(|a, b| a.held_out_scores.total_cmp(&b.held_out_scores))?;
    let [.., second, last] = points else { return None };
    let risen = |point: &EvalPoint| {
        point.step > best.step
            && point.held_out_scores > PARTED * best.held_out_scores
            && point.scores < best.scores
    };
    (risen(second) && risen(last)).then_some(best.step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(losses: &[(f64, f64)]) -> Vec<EvalPoint> {
        let point = |(step, &(scores, held_out_scores)): (usize, &(f64, f64))| EvalPoint {
            step: 10 * step,
            seconds: 0.0,
            scores,
            boxes: 0.0,
            held_out_scores,
            held_out_boxes: 0.0,
            ap: 0.0,
            ap50: 0.0,
            ap75: 0.0,
        };
        (1..).zip(losses).map(point).collect()
    }

    #[test]
    fn losses_that_part_are_seen_and_others_are_not() {
        let of = |losses: &[(f64, f64)]| parted(&points(losses));
        assert_eq!(of(&[(1.0, 1.0), (0.5, 0.6), (0.3, 0.9), (0.2, 0.8)]), Some(20));
        for losses in [
            &[][..],
            &[(1.0, 1.0)],
            &[(1.0, 1.0), (0.5, 0.6), (0.3, 0.9)],
            &[(1.0, 1.0), (0.5, 0.6), (0.3, 0.7), (0.2, 0.7)],
            &[(1.0, 1.0), (0.5, 0.6), (0.7, 0.9), (0.9, 0.9)],
            &[(1.0, 1.0), (0.5, 0.6), (0.3, 0.9), (0.2, 0.5)],
        ] {
            assert_eq!(of(losses), None, "{losses:?}");
        }
    }
}
