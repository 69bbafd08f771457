"""Makes the figures that the tests of garch.rs and ledoit_wolf.rs compare with.

    python3 -m venv venv && venv/bin/pip install arch==8.0.0 scikit-learn==1.9.1
    venv/bin/python tests/reference/figures.py

Made with Python 3.11.7, numpy 2.4.6, scipy 1.17.1. The series come from a linear congruential generator that both
sides implement; a normal is twelve uniforms less six, so that no library function stands between the two. No data of others.
"""

import math

import numpy as np
from arch import arch_model
from sklearn.covariance import LedoitWolf


class Normals:
    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**53

    def next(self):
        total = 0.0
        for _ in range(12):
            total += self.uniform()
        return total - 6.0


def garch_series(seed, n, mu, omega, alpha, beta):
    normals, variance, series = Normals(seed), omega / (1 - alpha - beta), []
    for _ in range(n):
        e = math.sqrt(variance) * normals.next()
        series.append(mu + e)
        variance = omega + alpha * e * e + beta * variance
    return np.array(series)


for seed, n, parameters in [(1, 3000, (0.05, 0.02, 0.10, 0.88)), (2, 1500, (-0.02, 0.05, 0.15, 0.75))]:
    x = garch_series(seed, n, *parameters)
    model = arch_model(x, mean="Constant", vol="GARCH", p=1, q=1, dist="normal", rescale=False)
    fit = model.fit(disp="off", options={"ftol": 1e-14, "maxiter": 1000})
    print("GARCH seed", seed, "sum", x.sum(), dict(fit.params), "LL %.6f" % fit.loglikelihood)
    print("  five steps", [float(v) for v in fit.forecast(horizon=5).variance.values[-1]])

normals = Normals(3)
x = np.array([[normals.next() for _ in range(4)] for _ in range(40)])
x[:, 1] += 0.8 * x[:, 0]
x[:, 2] *= 3.0
fit = LedoitWolf().fit(x)
print("Ledoit-Wolf 40x4", fit.shrinkage_, fit.covariance_.tolist())

normals = Normals(4)
x = np.array([[normals.next() for _ in range(8)] for _ in range(10)])
fit = LedoitWolf().fit(x)
print("Ledoit-Wolf 10x8", fit.shrinkage_, fit.covariance_[0, 0], fit.covariance_.sum())
