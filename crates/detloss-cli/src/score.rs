//! Scores as logits.

/// Scores are moved this far from 0 and 1, where the logit is infinite.
pub(crate) const LEAST_SCORE: f64 = 1e-6;

/// Counts the scores that are not quite what the file has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clamped {
    /// Probabilities next to 0 or 1.
    pub(crate) sure: usize,
    /// No probabilities.
    pub(crate) outside: usize,
}

impl Clamped {
    /// The logit of a score.
    pub(crate) fn logit(&mut self, score: f64) -> f64 {
        let inside = score.clamp(LEAST_SCORE, 1.0 - LEAST_SCORE);
        if (0.0..=1.0).contains(&score) {
            self.sure += usize::from(inside != score);
        } else {
            self.outside += 1;
        }
        (inside / (1.0 - inside)).ln()
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.sure + self.outside
    }

    /// Says how many scores were moved; empty if none was.
    pub(crate) fn note(self) -> String {
        let scores = |count: usize, one: &str, more: &str| match count {
            1 => format!("1 score {one}"),
            count => format!("{count} scores {more}"),
        };
        let outside = scores(self.outside, "is not from 0 to 1", "are not from 0 to 1");
        let sure = scores(self.sure, "is 0 or 1, or next to it", "are 0 or 1, or next to it");
        let moved =
            format!("counted as {LEAST_SCORE} or 1 - {LEAST_SCORE}, where the logit is finite");
        let mut notes = Vec::new();
        if self.outside > 0 {
            notes.push(format!("{outside}: {moved}; write scores as probabilities"));
        }
        if self.sure > 0 {
            notes.push(format!("{sure}: {moved}"));
        }
        notes.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_0_and_1_are_not_taken_for_logits() {
        let note = |scores: &[f64]| {
            let mut clamped = Clamped::default();
            for &score in scores {
                assert!(clamped.logit(score).is_finite());
            }
            clamped.note()
        };
        assert_eq!(note(&[0.5, 0.999]), "");
        let sure = note(&[0.0, 1.0]);
        assert!(sure.starts_with("2 scores are 0 or 1") && !sure.contains("write"), "{sure}");
        let logits = note(&[5.0]);
        assert!(
            logits.starts_with("1 score is not from 0 to 1") && logits.contains("write scores as")
        );
        assert_eq!(note(&[-0.1, 1.0]).lines().count(), 2);
    }
}
