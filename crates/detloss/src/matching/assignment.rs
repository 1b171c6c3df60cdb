//! The linear sum assignment problem: one column for every row, at the least cost in all.

use fearless_simd::Simd;

use crate::batch::{Job, Level};
use crate::error::{Error, Result};
use crate::parallel::Work;
use crate::scalar::Compute;

/// How many columns are compared at a time.
const BLOCK: usize = 8;

/// A row that there is not.
const NONE: usize = usize::MAX;

/// The largest cost, so that sums of costs stay finite.
const MOST: f64 = 1e290;

/// Gives every row of a matrix of costs a column of its own, or every column a row where there are fewer columns, so that the sum of their
/// costs is least: the pairs (row, column), by ascending row.
///
/// `costs` holds row after row of `columns` numbers. A pair whose cost is +∞ is forbidden.
///
/// ```
/// use detloss::matching::linear_sum_assignment;
///
/// let costs = [4.0_f32, 1.0, 3.0, 2.0, 0.0, 5.0];
/// assert_eq!(linear_sum_assignment(&costs, 3)?, [(0, 1), (1, 0)]);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// Of several assignments with the least sum it gives the one that SciPy's function of this name does, and in its order. Sums are made in
/// `f64`. The time is O(rows² · columns) at worst, for fewer rows than columns, and nothing is padded to a square.
///
/// # Errors
///
/// [`Error::PartialRow`], [`Error::InvalidCost`] for NaN, −∞ and numbers beyond ±1e290, and [`Error::Infeasible`] if forbidden pairs leave
/// no assignment: [`partial_linear_sum_assignment`] then assigns what can be.
///
/// # References
///
/// Crouse, *On Implementing 2D Rectangular Assignment Algorithms*, IEEE Transactions on Aerospace and Electronic Systems 52(4), 2016.
/// <https://doi.org/10.1109/TAES.2016.140952>
pub fn linear_sum_assignment<T: Compute>(
    costs: &[T],
    columns: usize,
) -> Result<Vec<(usize, usize)>> {
    check(costs, columns)?;
    assign(costs, columns, Work::ALONE)
}

/// Like [`linear_sum_assignment`], but where forbidden pairs leave some without a partner, they stay without: of all assignments with as many
/// pairs as possible the one whose costs have the least sum.
///
/// ```
/// use detloss::matching::partial_linear_sum_assignment;
///
/// let never = f32::INFINITY;
/// assert_eq!(partial_linear_sum_assignment(&[1.0, never, 2.0, never], 2)?, [(0, 0)]);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::PartialRow`] and [`Error::InvalidCost`].
pub fn partial_linear_sum_assignment<T: Compute>(
    costs: &[T],
    columns: usize,
) -> Result<Vec<(usize, usize)>> {
    check(costs, columns)?;
    assign_allowed(costs, columns, Work::ALONE)
}

fn check<T: Compute>(costs: &[T], columns: usize) -> Result<()> {
    if !costs.len().is_multiple_of(columns) {
        return Err(Error::PartialRow { what: "the costs", got: costs.len(), row: columns });
    }
    let is_cost = |cost: T| (-MOST..=MOST).contains(&cost.to_f64()) || is_forbidden(cost);
    match costs.iter().position(|cost| !is_cost(*cost)) {
        Some(place) => {
            let (row, column, got) = (place / columns, place % columns, costs[place].to_f64());
            Err(Error::InvalidCost { row, column, got })
        }
        None => Ok(()),
    }
}

fn is_forbidden<T: Compute>(cost: T) -> bool {
    cost.to_f64() == f64::INFINITY
}

/// As many pairs as possible, of checked costs.
pub(super) fn assign_allowed<T: Compute>(
    costs: &[T],
    columns: usize,
    work: Work<'_>,
) -> Result<Vec<(usize, usize)>> {
    let allowed = || costs.iter().copied().filter(|cost| !is_forbidden(*cost)).map(T::to_f64);
    let (least, most) = allowed()
        .fold((0.0, 0.0), |(least, most): (f64, f64), cost| (least.min(cost), most.max(cost)));
    // Above what any assignment of allowed pairs could cost more than another one.
    let pairs = columns.min(costs.len().checked_div(columns).unwrap_or(0)) as f64;
    let penalty = most + (most - least) * pairs + 1.0;
    let numbers: Vec<f64> = costs
        .iter()
        .map(|cost| if is_forbidden(*cost) { penalty } else { cost.to_f64() })
        .collect();
    let mut assigned = assign(&numbers, columns, work)?;
    assigned.retain(|&(row, column)| !is_forbidden(costs[row * columns + column]));
    Ok(assigned)
}

/// The pairs by ascending row, of checked costs.
pub(super) fn assign<T: Compute>(
    costs: &[T],
    columns: usize,
    work: Work<'_>,
) -> Result<Vec<(usize, usize)>> {
    if costs.is_empty() {
        return Ok(Vec::new());
    }
    let rows = costs.len() / columns;
    if rows <= columns {
        let assigned = Level::best().run(ShortestPaths { costs, columns, work })?;
        return Ok(assigned.into_iter().enumerate().collect());
    }
    let transposed: Vec<T> = (0..columns)
        .flat_map(|column| costs.iter().skip(column).step_by(columns).copied())
        .collect();
    let assigned = Level::best().run(ShortestPaths { costs: &transposed, columns: rows, work })?;
    let mut pairs: Vec<(usize, usize)> =
        assigned.into_iter().enumerate().map(|(column, row)| (row, column)).collect();
    pairs.sort_unstable();
    Ok(pairs)
}

/// The column of every row, for at most as many rows as columns, by shortest augmenting paths.
///
/// Rows come one by one. Each looks for the cheapest way to a column that is free, over columns whose rows would take another one (Dijkstra's
/// algorithm); potentials of rows and columns keep the cost of every step from being negative.
struct ShortestPaths<'a, T> {
    costs: &'a [T],
    columns: usize,
    work: Work<'a>,
}

impl<T: Compute> Job for ShortestPaths<'_, T> {
    type Output = Result<Vec<usize>>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Self::Output {
        let rows = self.costs.len() / self.columns;
        let mut row_potentials = vec![0.0; rows];
        let mut search = Search::new(self.columns);
        let mut column_of = vec![NONE; rows];
        for start in 0..rows {
            search.begin();
            let (mut row, mut length) = (start, 0.0);
            let free = loop {
                self.work.check_cancelled()?;
                let costs = &self.costs[row * self.columns..][..self.columns];
                length = search.relax(row, costs, length, row_potentials[row]);
                if length == f64::INFINITY {
                    return Err(Error::Infeasible);
                }
                let column = search.nearest(length);
                search.close(column, length);
                match search.row_of[column] {
                    NONE => break column,
                    taken => row = taken,
                }
            };
            row_potentials[start] += length;
            search.finish(length, &mut row_potentials);
            // Every row on the way takes the column that it was left by.
            let mut column = free;
            loop {
                let row = search.reached_from[column];
                search.row_of[column] = row;
                std::mem::swap(&mut column_of[row], &mut column);
                if row == start {
                    break;
                }
            }
        }
        Ok(column_of)
    }
}

/// How far every column is from a row, as far as it is known.
struct Search {
    /// The row that has a column.
    row_of: Vec<usize>,
    potentials: Vec<f64>,
    /// Potentials, and −∞ for what is closed, so that no way there is short.
    open_potentials: Vec<f64>,
    /// The length of the shortest way found, ∞ for what is closed.
    lengths: Vec<f64>,
    /// The row before the column on that way.
    reached_from: Vec<usize>,
    /// The columns whose shortest way is certain, with its length, in the order of that.
    closed: Vec<(usize, f64)>,
    /// Room for what settles ties: a list of columns, and where each is.
    order: Vec<usize>,
    places: Vec<usize>,
}

fn smaller(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

impl Search {
    fn new(columns: usize) -> Self {
        Self {
            row_of: vec![NONE; columns],
            potentials: vec![0.0; columns],
            open_potentials: vec![0.0; columns],
            lengths: vec![0.0; columns],
            reached_from: vec![NONE; columns],
            closed: Vec::new(),
            order: Vec::new(),
            places: Vec::new(),
        }
    }

    fn begin(&mut self) {
        self.closed.clear();
        self.lengths.fill(f64::INFINITY);
    }

    /// Goes from a row, which is `length` away, to every open column. The least length of any.
    #[inline(always)]
    fn relax<T: Compute>(&mut self, row: usize, costs: &[T], length: f64, potential: f64) -> f64 {
        let through = |cost: T, open: f64| length + cost.to_f64() - potential - open;
        let mut least = [f64::INFINITY; BLOCK];
        let (costs, more_costs) = costs.as_chunks::<BLOCK>();
        let (open, more_open) = self.open_potentials.as_chunks::<BLOCK>();
        let (lengths, more_lengths) = self.lengths.as_chunks_mut::<BLOCK>();
        let (reached, more_reached) = self.reached_from.as_chunks_mut::<BLOCK>();
        for (((costs, open), lengths), reached) in costs.iter().zip(open).zip(lengths).zip(reached)
        {
            for lane in 0..BLOCK {
                let through = through(costs[lane], open[lane]);
                reached[lane] = if through < lengths[lane] { row } else { reached[lane] };
                lengths[lane] = smaller(through, lengths[lane]);
                least[lane] = smaller(lengths[lane], least[lane]);
            }
        }
        let rest = more_costs.iter().zip(more_open).zip(more_lengths).zip(more_reached);
        for (((&cost, &open), length), reached) in rest {
            let through = through(cost, open);
            *reached = if through < *length { row } else { *reached };
            *length = smaller(through, *length);
            least[0] = smaller(*length, least[0]);
        }
        least.into_iter().fold(f64::INFINITY, smaller)
    }

    /// The open column at this length. Of several one without a row, so that the search is over; which one is as in SciPy.
    #[inline(always)]
    fn nearest(&mut self, length: f64) -> usize {
        let mut nearest = NONE;
        for (block, lengths) in self.lengths.chunks(BLOCK).enumerate() {
            // Without branches, so that several are compared at once.
            let here = lengths.iter().fold(false, |here, other| here | (*other == length));
            if here {
                for (lane, _) in lengths.iter().enumerate().filter(|(_, other)| **other == length) {
                    if nearest != NONE {
                        return self.first_of_equals(length);
                    }
                    nearest = block * BLOCK + lane;
                }
            }
        }
        nearest
    }

    /// SciPy's list of open columns descends at first, and the last one fills the place of one that is closed. It takes the last column of the
    /// list that has no row, or else the first one.
    #[cold]
    fn first_of_equals(&mut self, length: f64) -> usize {
        let (order, places) = (&mut self.order, &mut self.places);
        order.clear();
        order.extend((0..self.lengths.len()).rev());
        places.clear();
        places.extend_from_slice(order);
        for &(column, _) in &self.closed {
            let place = places[column];
            order.swap_remove(place);
            if let Some(&moved) = order.get(place) {
                places[moved] = place;
            }
        }
        let equal = || order.iter().copied().filter(|&column| self.lengths[column] == length);
        let free = equal().rfind(|&column| self.row_of[column] == NONE);
        free.or_else(|| equal().next()).expect("several columns have the least length")
    }

    #[inline(always)]
    fn close(&mut self, column: usize, length: f64) {
        self.closed.push((column, length));
        self.lengths[column] = f64::INFINITY;
        self.open_potentials[column] = f64::NEG_INFINITY;
    }

    /// Brings the potentials up to date with the way that was found, and opens all columns.
    #[inline(always)]
    fn finish(&mut self, length: f64, row_potentials: &mut [f64]) {
        for &(column, at) in &self.closed {
            if let Some(potential) = row_potentials.get_mut(self.row_of[column]) {
                *potential += length - at;
            }
            self.potentials[column] -= length - at;
            self.open_potentials[column] = self.potentials[column];
        }
    }
}
