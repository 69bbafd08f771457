//! The Cholesky factor of a matrix whose rows begin late: of each row what lies between its first number and the diagonal.
//!
//! Source: Jennings, "A compact storage scheme for the solution of symmetric linear simultaneous equations" (1966).

use std::ops::Range;

/// A symmetric matrix, then its factor, row by row up to the diagonal.
#[derive(Debug, Default)]
pub(super) struct Skyline {
    /// The first column of each row that holds something.
    pub first: Vec<u32>,
    /// Where rows begin.
    begin: Vec<usize>,
    values: Vec<f64>,
    /// What is solved for, then the solution.
    pub solution: Vec<f64>,
}

impl Skyline {
    /// Makes room for rows that begin where they are said to; returns for how many numbers.
    pub fn lay_out(&mut self) -> usize {
        self.begin.clear();
        let mut size = 0;
        for (row, first) in self.first.iter().enumerate() {
            self.begin.push(size);
            size += row + 1 - *first as usize;
        }
        self.values.clear();
        self.values.resize(size, 0.0);
        size
    }

    /// A number of the matrix, in a column from the first of its row up to the diagonal.
    pub fn at(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.values[self.begin[row] + column - self.first[row] as usize]
    }

    fn row(&self, row: usize) -> Range<usize> {
        self.begin[row]..self.begin[row] + row + 1 - self.first[row] as usize
    }

    /// Factorises the matrix with `damping` added to its diagonal. False where rounding leaves no positive pivot.
    pub fn factorise(&mut self, damping: f64) -> bool {
        for i in 0..self.first.len() {
            let range = self.row(i);
            let (above, rest) = self.values.split_at_mut(range.start);
            let row = &mut rest[..range.len()];
            let from = self.first[i] as usize;
            for j in from..i {
                let start = (self.first[j] as usize).max(from);
                let other = &above[self.begin[j] + start - self.first[j] as usize..][..=j - start];
                let done = dot(&row[start - from..j - from], other);
                row[j - from] = (row[j - from] - done) / other[j - start];
            }
            let Some((diagonal, before)) = row.split_last_mut() else { return false };
            let pivot = *diagonal + damping - dot(before, before);
            if !(pivot > 0.0 && pivot.is_finite()) {
                return false;
            }
            *diagonal = pivot.sqrt();
        }
        true
    }

    /// Solves for what stands in the solution, by the factor.
    pub fn solve(&mut self) {
        for i in 0..self.first.len() {
            let (row, from) = (&self.values[self.row(i)], self.first[i] as usize);
            let Some((diagonal, before)) = row.split_last() else { continue };
            let done = dot(before, &self.solution[from..]);
            self.solution[i] = (self.solution[i] - done) / diagonal;
        }
        for i in (0..self.first.len()).rev() {
            let (row, from) = (&self.values[self.row(i)], self.first[i] as usize);
            let Some((diagonal, before)) = row.split_last() else { continue };
            let value = self.solution[i] / diagonal;
            self.solution[i] = value;
            for (x, a) in self.solution[from..].iter_mut().zip(before) {
                *x -= a * value;
            }
        }
    }
}

/// Σ aₖ·bₖ over the shorter of both, in several sums at once: one would wait for itself.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const SUMS: usize = 8;
    let n = a.len().min(b.len());
    let (a, b) = (a[..n].chunks_exact(SUMS), b[..n].chunks_exact(SUMS));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let sums = a.zip(b).fold([0.0; SUMS], |sums, (a, b)| std::array::from_fn(|k| sums[k] + a[k] * b[k]));
    rest + sums.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_solved_for_comes_out() {
        // Rows begin at 0, 1, 0, 2.
        let matrix = [[4.0, 0.0, 1.0, 0.0], [0.0, 3.0, -1.0, 0.0], [1.0, -1.0, 5.0, 2.0], [0.0, 0.0, 2.0, 6.0]];
        let mut skyline = Skyline { first: vec![0, 1, 0, 2], ..Skyline::default() };
        assert_eq!(skyline.lay_out(), 7);
        for (row, column) in [(0, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 2), (3, 3)] {
            *skyline.at(row, column) = matrix[row][column];
        }
        assert!(skyline.factorise(0.5));
        skyline.solution = vec![1.0, -2.0, 3.0, 0.25];
        skyline.solve();
        for (k, right) in [1.0, -2.0, 3.0, 0.25].into_iter().enumerate() {
            let left: f64 = matrix[k].iter().zip(&skyline.solution).map(|(a, x)| a * x).sum::<f64>() + 0.5 * skyline.solution[k];
            assert!((left - right).abs() < 1e-14, "{left} {right}");
        }
        *skyline.at(0, 0) = -1.0;
        assert!(!skyline.factorise(0.0));
    }
}
