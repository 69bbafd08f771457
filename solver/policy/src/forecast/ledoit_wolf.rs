//! Ledoit–Wolf (2004): the sample covariance, shrunk towards a multiple of the identity.
//!
//! `Σ̂ = (1−δ) S + δ m I` with `m = tr S / p` and `δ = min(β, d)/d`, `d = ‖S − mI‖²/p`,
//! `β = (1/(pn)) Σ_ij (mean_t x²_ti x²_tj − S²_ij)`; `S` about the mean, divided by `n`, as scikit-learn has it.

use nalgebra::DMatrix;

/// A shrunk covariance.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The estimate, in the square of the data's unit.
    pub covariance: DMatrix<f64>,
    /// How far it went to the identity: 0 is the sample, 1 a multiple of the identity.
    pub shrinkage: f64,
}

/// Shrinks the covariance of `rows` (observations by variables). None with fewer than two rows. O(n p²).
pub fn ledoit_wolf(rows: &DMatrix<f64>) -> Option<Shrunk> {
    let (n, p) = rows.shape();
    if n < 2 || p == 0 {
        return None;
    }
    let (count, dimension) = (n as f64, p as f64);
    let mean = rows.row_mean();
    let mut x = rows.clone();
    for mut row in x.row_iter_mut() {
        row -= &mean;
    }
    let sample = x.tr_mul(&x) / count;
    let m = sample.trace() / dimension;
    let squares = x.map(|v| v * v);
    let fourth = squares.tr_mul(&squares).sum() / count;
    let norm = sample.norm_squared();
    let d = (norm - dimension * m * m) / dimension;
    let beta = ((fourth - norm) / (count * dimension)).min(d);
    // One variable, or a sample that is the identity already: nothing to shrink.
    let shrinkage = if beta > 0.0 && d > 0.0 { beta / d } else { 0.0 };
    let mut covariance = sample * (1.0 - shrinkage);
    for i in 0..p {
        covariance[(i, i)] += shrinkage * m;
    }
    Some(Shrunk { covariance, shrinkage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::reference::Normals;

    /// Figures of scikit-learn 1.9.1's `LedoitWolf().fit(X)`: see `tests/reference/figures.py`.
    #[test]
    fn shrinks_as_scikit_learn_does() {
        let mut normals = Normals::new(3);
        let mut x = DMatrix::from_row_iterator(40, 4, (0..160).map(|_| normals.next()));
        for mut row in x.row_iter_mut() {
            row[1] += 0.8 * row[0];
            row[2] *= 3.0;
        }
        let shrunk = ledoit_wolf(&x).unwrap();
        assert!((shrunk.shrinkage - 0.12017361558319141).abs() < 1e-12);
        let reference = [
            [1.3428138134734788, 1.127675787689832, -1.0418851165474168, -0.025505931686660745],
            [1.127675787689832, 2.2512435029770117, -0.8645795770053734, -0.13543968683901386],
            [-1.0418851165474168, -0.8645795770053734, 6.447719455502138, 0.06726109547371843],
            [-0.025505931686660745, -0.13543968683901386, 0.06726109547371843, 1.0149752379079446],
        ];
        for (i, row) in reference.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!((shrunk.covariance[(i, j)] - value).abs() < 1e-12);
            }
        }
    }

    /// More variables than noise can tell apart: all the way to the identity, as there.
    #[test]
    fn shrinks_fully_where_scikit_learn_does() {
        let mut normals = Normals::new(4);
        let x = DMatrix::from_row_iterator(10, 8, (0..80).map(|_| normals.next()));
        let shrunk = ledoit_wolf(&x).unwrap();
        assert_eq!(shrunk.shrinkage, 1.0);
        assert!((shrunk.covariance[(0, 0)] - 1.0289787254963254).abs() < 1e-12);
        assert!((shrunk.covariance.sum() - 8.231829803970603).abs() < 1e-11);
    }

    #[test]
    fn one_variable_is_left_alone_and_one_row_is_too_few() {
        let x = DMatrix::from_column_slice(4, 1, &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ledoit_wolf(&x).unwrap(), Shrunk { covariance: DMatrix::from_element(1, 1, 1.25), shrinkage: 0.0 });
        assert_eq!(ledoit_wolf(&DMatrix::from_element(1, 3, 1.0)), None);
    }
}
