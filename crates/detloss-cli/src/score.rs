//! Scores as logits.

/// Scores are moved this far from 0 and 1, where the logit is infinite.
pub(crate) const LEAST_SCORE: f64 = 1e-6;

/// Counts the scores that are not quite what the file has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clamped(pub(crate) usize);

impl Clamped {
    /// The logit of a score.
    pub(crate) fn logit(&mut self, score: f64) -> f64 {
        let inside = score.clamp(LEAST_SCORE, 1.0 - LEAST_SCORE);
        self.0 += usize::from(inside != score);
        (inside / (1.0 - inside)).ln()
    }

    /// Says how many scores were moved; empty if none was.
    pub(crate) fn note(self) -> String {
        let scores = match self.0 {
            0 => return String::new(),
            1 => "1 score was".to_owned(),
            count => format!("{count} scores were"),
        };
        format!(
            "{scores} moved into [{LEAST_SCORE}, 1 - {LEAST_SCORE}], where a logit is finite: write scores as probabilities"
        )
    }
}
