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
    assign(&mut costs.to_vec(), columns, Work::ALONE)
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
    let mut numbers: Vec<f64> = costs
        .iter()
        .map(|cost| if is_forbidden(*cost) { penalty } else { cost.to_f64() })
        .collect();
    let mut assigned = assign(&mut numbers, columns, work)?;
    assigned.retain(|&(row, column)| !is_forbidden(costs[row * columns + column]));
    Ok(assigned)
}

/// The pairs by ascending row, of checked costs, which change their places.
pub(super) fn assign<T: Compute>(
    costs: &mut [T],
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
    let mut transposed: Vec<T> = (0..columns)
        .flat_map(|column| costs.iter().skip(column).step_by(columns).copied())
        .collect();
    let assigned =
        Level::best().run(ShortestPaths { costs: &mut transposed, columns: rows, work })?;
    let mut pairs: Vec<(usize, usize)> =
        assigned.into_iter().enumerate().map(|(column, row)| (row, column)).collect();
    pairs.sort_unstable();
    Ok(pairs)
}

/// The column of every row, for at most as many rows as columns, by shortest augmenting paths.
///
/// Rows come one by one. Each looks for the cheapest way to a column that is free, over columns whose rows would take another one (Dijkstra's
/// algorithm); potentials of rows and columns keep the cost of every step from being negative. A free column has the potential 0, so that of
/// all free ones only the cheapest of a row can end a way: a step goes over the columns that are taken, which are moved to the front.
struct ShortestPaths<'a, T> {
    /// Columns change places.
    costs: &'a mut [T],
    columns: usize,
    work: Work<'a>,
}

impl<T: Compute> Job for ShortestPaths<'_, T> {
    type Output = Result<Vec<usize>>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Self::Output {
        let rows = self.costs.len() / self.columns;
        let mut search = Search::new(self.costs, rows);
        for start in 0..rows {
            search.begin();
            let (mut row, mut length) = (start, 0.0);
            let free = loop {
                self.work.check_cancelled()?;
                let taken = search.relax(row, length);
                let free = search.relax_free(row, length);
                length = smaller(free, taken);
                if length == f64::INFINITY {
                    return Err(Error::Infeasible);
                }
                if free == length {
                    break search.free_column(length);
                }
                let place = search.nearest(length);
                search.close(place, length);
                row = search.row_of[place];
            };
            search.finish(start, length);
            search.augment(start, free);
        }
        Ok(search.place_of.iter().map(|&place| search.columns[place]).collect())
    }
}

/// How far every column is from a row, as far as it is known.
///
/// Columns are at places: those with a row come first, in the order in which they were taken.
struct Search<'a, T> {
    /// Row after row, by places.
    costs: &'a mut [T],
    /// The column at each place, and the place of each column.
    columns: Vec<usize>,
    places: Vec<usize>,
    row_potentials: Vec<f64>,
    /// The cheapest column of every row among those that were free.
    cheapest: Vec<usize>,
    /// The place of every row's column.
    place_of: Vec<usize>,
    /// The row that has the column, of the places with one.
    row_of: Vec<usize>,
    potentials: Vec<f64>,
    /// Potentials, and −∞ for what is closed or free, so that no way there is short.
    open_potentials: Vec<f64>,
    /// The length of the shortest way found, ∞ for what is closed or free.
    lengths: Vec<f64>,
    /// The row before the column on that way.
    reached_from: Vec<usize>,
    /// The places whose shortest way is certain, with its length, in the order of that.
    closed: Vec<(usize, f64)>,
    /// The length of the shortest way to a free column, and the rows from which it is that, each with its own.
    free: (f64, Vec<(usize, f64)>),
}

fn smaller(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

impl<'a, T: Compute> Search<'a, T> {
    fn new(costs: &'a mut [T], rows: usize) -> Self {
        let columns = costs.len() / rows;
        let room = rows.next_multiple_of(BLOCK).min(columns);
        Self {
            costs,
            columns: (0..columns).collect(),
            places: (0..columns).collect(),
            row_potentials: vec![0.0; rows],
            cheapest: vec![NONE; rows],
            place_of: vec![NONE; rows],
            row_of: Vec::with_capacity(rows),
            potentials: Vec::with_capacity(rows),
            open_potentials: vec![f64::NEG_INFINITY; room],
            lengths: vec![f64::INFINITY; room],
            reached_from: vec![NONE; room],
            closed: Vec::new(),
            free: (f64::INFINITY, Vec::new()),
        }
    }

    fn begin(&mut self) {
        self.closed.clear();
        self.lengths.fill(f64::INFINITY);
        self.free.0 = f64::INFINITY;
        self.free.1.clear();
    }

    fn costs(&self, row: usize) -> &[T] {
        &self.costs[row * self.columns.len()..][..self.columns.len()]
    }

    /// Goes from a row, which is `length` away, to every open column that has a row. The least length of any.
    #[inline(always)]
    fn relax(&mut self, row: usize, length: f64) -> f64 {
        let potential = self.row_potentials[row];
        let through = |cost: T, open: f64| length + cost.to_f64() - potential - open;
        // Whole blocks, as long as there are: what is free is closed here.
        let looked_at = self.row_of.len().next_multiple_of(BLOCK).min(self.lengths.len());
        let costs = &self.costs[row * self.columns.len()..][..looked_at];
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

    /// Goes from a row, which is `length` away, to the free columns. The least length of any from all rows so far.
    #[inline(always)]
    fn relax_free(&mut self, row: usize, length: f64) -> f64 {
        if self.places.get(self.cheapest[row]).is_none_or(|&place| place < self.row_of.len()) {
            self.find_cheapest(row);
        }
        if let Some(&place) = self.places.get(self.cheapest[row]) {
            let through = self.through(row, length, place);
            if through < self.free.0 {
                self.free.0 = through;
                self.free.1.clear();
            }
            if through == self.free.0 {
                self.free.1.push((row, length));
            }
        }
        self.free.0
    }

    /// The length of the way over a row, which is `length` away, to a free column.
    #[inline(always)]
    fn through(&self, row: usize, length: f64, place: usize) -> f64 {
        length + self.costs(row)[place].to_f64() - self.row_potentials[row]
    }

    #[inline(always)]
    fn find_cheapest(&mut self, row: usize) {
        let free = &self.costs(row)[self.row_of.len()..];
        let (blocks, rest) = free.as_chunks::<BLOCK>();
        let mut least = [f64::INFINITY; BLOCK];
        for costs in blocks {
            for lane in 0..BLOCK {
                least[lane] = smaller(costs[lane].to_f64(), least[lane]);
            }
        }
        let rest = rest.iter().fold(f64::INFINITY, |least, cost| smaller(cost.to_f64(), least));
        let least = least.into_iter().fold(rest, smaller);
        let place = free.iter().position(|cost| cost.to_f64() == least);
        self.cheapest[row] = place.map_or(NONE, |place| self.columns[self.row_of.len() + place]);
    }

    /// The open place at this length that has a row; which one of several is as in SciPy.
    #[inline(always)]
    fn nearest(&self, length: f64) -> usize {
        let mut at_length = self.lengths.iter().enumerate().filter(|(_, other)| **other == length);
        let (nearest, _) = at_length.next().expect("some column has the least length");
        match at_length.next() {
            None => nearest,
            Some(_) => self.first_of_equals(|place| self.lengths.get(place) == Some(&length)),
        }
    }

    /// The place of a free column at this length, and the row that found it first; which one of several is as in SciPy.
    #[inline(always)]
    fn free_column(&self, length: f64) -> (usize, usize) {
        let taken = self.row_of.len();
        if let &[(row, at)] = &self.free.1[..] {
            let is_near = |cost: &T| at + cost.to_f64() - self.row_potentials[row] == length;
            let near = self.costs(row)[taken..].iter().map(|cost| usize::from(is_near(cost)));
            if near.sum::<usize>() == 1 {
                return (self.places[self.cheapest[row]], row);
            }
        }
        let found = |place: usize| {
            let mut rows = self.free.1.iter();
            rows.find(|&&(row, at)| self.through(row, at, place) == length).map(|&(row, _)| row)
        };
        let place = self.first_of_equals(|place| place >= taken && found(place).is_some());
        (place, found(place).expect("a free column has the least length"))
    }

    /// SciPy's list of open columns descends at first, and the last one fills the place of one that is closed. It takes the last column of the
    /// list that has no row, or else the first one.
    #[cold]
    fn first_of_equals(&self, is_equal: impl Fn(usize) -> bool) -> usize {
        let mut order: Vec<usize> = (0..self.columns.len()).rev().collect();
        let mut in_order = order.clone();
        for &(place, _) in &self.closed {
            let at = in_order[self.columns[place]];
            order.swap_remove(at);
            if let Some(&moved) = order.get(at) {
                in_order[moved] = at;
            }
        }
        let equals =
            || order.iter().map(|&column| self.places[column]).filter(|&place| is_equal(place));
        let free = equals().filter(|&place| place >= self.row_of.len()).last();
        free.or_else(|| equals().next()).expect("several columns have the least length")
    }

    #[inline(always)]
    fn close(&mut self, place: usize, length: f64) {
        self.closed.push((place, length));
        self.lengths[place] = f64::INFINITY;
        self.open_potentials[place] = f64::NEG_INFINITY;
    }

    /// Brings the potentials up to date with the way that was found, and opens all columns.
    #[inline(always)]
    fn finish(&mut self, start: usize, length: f64) {
        self.row_potentials[start] += length;
        for &(place, at) in &self.closed {
            self.row_potentials[self.row_of[place]] += length - at;
            self.potentials[place] -= length - at;
            self.open_potentials[place] = self.potentials[place];
        }
    }

    /// Gives a free column, reached from a row, to that row, the row's column to the row before on the way, and so on to the start.
    fn augment(&mut self, start: usize, (free, from): (usize, usize)) {
        let mut place = self.row_of.len();
        for row in self.costs.chunks_exact_mut(self.columns.len()) {
            row.swap(place, free);
        }
        self.columns.swap(place, free);
        self.places[self.columns[place]] = place;
        self.places[self.columns[free]] = free;
        self.row_of.push(NONE);
        self.potentials.push(0.0);
        self.open_potentials[place] = 0.0;
        self.reached_from[place] = from;
        loop {
            let row = self.reached_from[place];
            self.row_of[place] = row;
            std::mem::swap(&mut self.place_of[row], &mut place);
            if row == start {
                break;
            }
        }
    }
}
