//! What scenes draw by chance: streams by seed and place, ranges, choices, orders.

use crate::random::Random;

impl Random {
    /// The stream of this place of all that comes from the seed. Neighbours have nothing in common.
    pub(crate) fn at(seed: u64, place: u64) -> Self {
        Self::new(scrambled(scrambled(seed).wrapping_add(place)))
    }

    /// Uniform from `low` to `high`.
    pub(crate) fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Each number below `count` alike; `count` is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // The high half of the product: off from fair by less than count · 2⁻⁶⁴.
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// Brings these into any order, each alike (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Every bit of the number touches every bit of the result, which differs for every number (SplitMix64,
/// Steele et al. 2014).
pub(crate) fn scrambled(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_places_and_seeds_share_no_numbers() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..30 {
            for place in 0..30 {
                let mut random = Random::at(seed, place);
                assert!((0..4).all(|_| seen.insert(random.bits())), "{seed}, {place}");
            }
        }
        assert_eq!(Random::at(3, 4).bits(), Random::at(3, 4).bits());
    }

    #[test]
    fn numbers_below_five_are_all_met_about_as_often() {
        let mut random = Random::new(1);
        let mut met = [0; 5];
        (0..5000).for_each(|_| met[random.below(5)] += 1);
        assert!(met.iter().all(|count| (900..1100).contains(count)), "{met:?}");
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn a_range_is_filled_and_not_left() {
        let mut random = Random::new(1);
        let drawn: Vec<f64> = (0..1000).map(|_| random.range(-2.0, 3.0)).collect();
        let low = drawn.iter().copied().fold(f64::INFINITY, f64::min);
        let high = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!((-2.0..-1.95).contains(&low) && (2.95..3.0).contains(&high), "{low} to {high}");
    }

    #[test]
    fn shuffling_keeps_all_and_puts_each_everywhere() {
        let mut random = Random::new(1);
        let mut first = [0; 4];
        for _ in 0..4000 {
            let mut items = [0, 1, 2, 3];
            random.shuffle(&mut items);
            first[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|count| (900..1100).contains(count)), "{first:?}");
    }
}
