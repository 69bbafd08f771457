//! The Cholesky factor of a sparse symmetric matrix, in the order that its rows come in.
//!
//! Rows are found one after another from the columns before them: which of those a row has numbers in is told by the elimination tree.
//!
//! Source: the up-looking factorisation as in Davis, "Direct Methods for Sparse Linear Systems" (2006), chapter 4.

/// No row.
const NONE: u32 = u32::MAX;

/// A number of the matrix below its diagonal.
#[derive(Debug, Clone, Copy)]
struct Entry {
    column: u32,
    value: f64,
}

/// A symmetric matrix with its factor.
#[derive(Debug, Default)]
pub(super) struct Cholesky {
    diagonal: Vec<f64>,
    /// Numbers below it as they were added, with their rows; then row by row.
    added: Vec<(u32, Entry)>,
    entries: Vec<Entry>,
    /// Where the entries of rows begin, and the end of the last.
    begin: Vec<u32>,
    /// The elimination tree: the first row after it that a column has a number in.
    parent: Vec<u32>,
    /// The row that a column was last met in.
    met: Vec<u32>,
    /// The columns that a row has numbers in, each after those that it depends on.
    pattern: Vec<u32>,
    /// The factor by columns, without its diagonal: where they begin, how long they are so far, rows and numbers.
    start: Vec<usize>,
    length: Vec<u32>,
    rows: Vec<u32>,
    values: Vec<f64>,
    /// Of the factor's diagonal one by each number.
    inverse: Vec<f64>,
    /// A row while it is found.
    row: Vec<f64>,
    /// What is solved for, then the solution.
    pub solution: Vec<f64>,
}

impl Cholesky {
    /// An empty matrix of `n` rows.
    pub fn begin(&mut self, n: usize) {
        self.diagonal.clear();
        self.diagonal.resize(n, 0.0);
        self.added.clear();
    }

    /// Adds to a number of the matrix, and to its mirror image.
    pub fn add(&mut self, a: usize, b: usize, value: f64) {
        if a == b {
            self.diagonal[a] += value;
        } else {
            self.added.push((a.max(b) as u32, Entry { column: a.min(b) as u32, value }));
        }
    }

    /// Factorises the matrix with `damping` added to its diagonal. False where the factor would hold more than `most` numbers, or rounding leaves
    /// no positive pivot.
    pub fn factorise(&mut self, damping: f64, most: usize) -> bool {
        self.sort();
        self.lay_out() <= most && (0..self.diagonal.len()).all(|k| self.eliminate(k, damping))
    }

    /// Sorts what was added by rows.
    fn sort(&mut self) {
        let n = self.diagonal.len();
        self.begin.clear();
        self.begin.resize(n + 1, 0);
        for (row, _) in &self.added {
            self.begin[*row as usize + 1] += 1;
        }
        for k in 0..n {
            self.begin[k + 1] += self.begin[k];
        }
        self.entries.clear();
        self.entries.resize(self.added.len(), Entry { column: 0, value: 0.0 });
        // Rows end where the next begins: they are filled from there.
        for (row, entry) in &self.added {
            let end = &mut self.begin[*row as usize + 1];
            *end -= 1;
            self.entries[*end as usize] = *entry;
        }
        self.begin.rotate_left(1);
        if let Some(last) = self.begin.last_mut() {
            *last = self.added.len() as u32;
        }
    }

    fn entries_of(&self, row: usize) -> std::ops::Range<usize> {
        self.begin[row] as usize..self.begin[row + 1] as usize
    }

    /// Finds the elimination tree and makes room for the columns; returns for how many numbers.
    fn lay_out(&mut self) -> usize {
        let n = self.diagonal.len();
        for (list, with) in [(&mut self.parent, NONE), (&mut self.met, NONE), (&mut self.length, 0)] {
            list.clear();
            list.resize(n, with);
        }
        for k in 0..n {
            self.met[k] = k as u32;
            for at in self.entries_of(k) {
                let mut column = self.entries[at].column as usize;
                while self.met[column] != k as u32 {
                    if self.parent[column] == NONE {
                        self.parent[column] = k as u32;
                    }
                    self.length[column] += 1;
                    self.met[column] = k as u32;
                    column = self.parent[column] as usize;
                }
            }
        }
        self.start.clear();
        let mut size = 0;
        for length in &mut self.length {
            self.start.push(size);
            size += *length as usize;
            *length = 0;
        }
        self.rows.resize(size, 0);
        self.values.resize(size, 0.0);
        self.inverse.clear();
        self.row.clear();
        self.row.resize(n, 0.0);
        self.met.fill(NONE);
        n + size
    }

    /// The columns that row `k` has numbers in.
    fn reach(&mut self, k: usize) {
        self.pattern.clear();
        self.met[k] = k as u32;
        // Ways up the tree: each comes before those that were found earlier, and itself from the bottom up.
        for at in self.entries_of(k) {
            let Entry { column, value } = self.entries[at];
            self.row[column as usize] += value;
            let from = self.pattern.len();
            let mut column = column as usize;
            while self.met[column] != k as u32 {
                self.met[column] = k as u32;
                self.pattern.push(column as u32);
                column = self.parent[column] as usize;
            }
            self.pattern[from..].reverse();
        }
    }

    /// Finds row `k` of the factor. False where its pivot is not positive.
    fn eliminate(&mut self, k: usize, damping: f64) -> bool {
        self.reach(k);
        let mut pivot = self.diagonal[k] + damping;
        for &column in self.pattern.iter().rev() {
            let column = column as usize;
            let found = std::mem::take(&mut self.row[column]) * self.inverse[column];
            let (start, length) = (self.start[column], self.length[column] as usize);
            let (rows, values) = (&mut self.rows[start..], &mut self.values[start..]);
            for (&row, value) in rows[..length].iter().zip(&values[..length]) {
                self.row[row as usize] -= value * found;
            }
            (rows[length], values[length]) = (k as u32, found);
            self.length[column] += 1;
            pivot -= found * found;
        }
        self.inverse.push(1.0 / pivot.sqrt());
        pivot > 0.0 && pivot.is_finite()
    }

    /// Solves for what stands in the solution, by the factor.
    pub fn solve(&mut self) {
        let columns = |k: usize| self.start[k]..self.start[k] + self.length[k] as usize;
        for k in 0..self.diagonal.len() {
            let value = self.solution[k] * self.inverse[k];
            self.solution[k] = value;
            for (&row, factor) in self.rows[columns(k)].iter().zip(&self.values[columns(k)]) {
                self.solution[row as usize] -= factor * value;
            }
        }
        for k in (0..self.diagonal.len()).rev() {
            let rows = self.rows[columns(k)].iter().zip(&self.values[columns(k)]);
            let done: f64 = rows.map(|(&row, factor)| factor * self.solution[row as usize]).sum();
            self.solution[k] = (self.solution[k] - done) * self.inverse[k];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_solved_for_comes_out() {
        // A ring of six with a spoke: eliminating its rows fills others.
        let entries =
            [(0, 1, -1.0), (1, 2, -2.0), (2, 3, -0.5), (3, 4, -1.5), (4, 5, -1.0), (5, 0, -0.25), (0, 3, -1.0), (3, 0, 0.25)];
        let mut matrix = [[0.0; 6]; 6];
        let mut cholesky = Cholesky::default();
        // The second time it has been used before.
        for round in 0..2 {
            cholesky.begin(6);
            matrix = [[0.0; 6]; 6];
            for (a, b, value) in entries {
                cholesky.add(a, b, value);
                matrix[a][b] += value;
                matrix[b][a] += value;
            }
            for (k, row) in matrix.iter_mut().enumerate() {
                row[k] = 4.0 + k as f64;
                cholesky.add(k, k, 4.0 + k as f64);
            }
            assert!(cholesky.factorise(0.5, 6 * 6), "{round}");
        }
        let wanted = [1.0, -2.0, 3.0, 0.25, 0.0, -1.0];
        cholesky.solution = wanted.to_vec();
        cholesky.solve();
        for (k, right) in wanted.into_iter().enumerate() {
            let left: f64 =
                matrix[k].iter().zip(&cholesky.solution).map(|(a, x)| a * x).sum::<f64>() + 0.5 * cholesky.solution[k];
            assert!((left - right).abs() < 1e-14, "{left} {right}");
        }
        assert!(!cholesky.factorise(0.5, 10), "it holds more");
        cholesky.add(4, 4, -20.0);
        assert!(!cholesky.factorise(0.0, 6 * 6));
    }
}
