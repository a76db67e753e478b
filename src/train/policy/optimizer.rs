//! Steps of an optimiser in double precision.

use super::PolicyOptimizer;

/// Adam's moments and how far it is, or plain gradient descent.
pub(super) struct Stepper {
    kind: PolicyOptimizer,
    lr: f64,
    first: Vec<f64>,
    second: Vec<f64>,
    /// β₁ᵗ and β₂ᵗ.
    decay: [f64; 2],
}

/// The defaults of Kingma and Ba 2014.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

impl Stepper {
    pub(super) fn new(kind: PolicyOptimizer, lr: f64, n: usize) -> Stepper {
        let n = if kind == PolicyOptimizer::Adam { n } else { 0 };
        Stepper { kind, lr, first: vec![0.0; n], second: vec![0.0; n], decay: [1.0; 2] }
    }

    /// Moves the parameters against the gradient.
    pub(super) fn step(&mut self, parameters: &mut [f64], gradient: &[f64]) {
        if self.kind == PolicyOptimizer::Sgd {
            parameters.iter_mut().zip(gradient).for_each(|(x, slope)| *x -= self.lr * slope);
            return;
        }
        let [b1, b2] = BETAS;
        self.decay = [self.decay[0] * b1, self.decay[1] * b2];
        let [left1, left2] = self.decay.map(|decay| 1.0 - decay);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((x, slope), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *m = b1 * *m + (1.0 - b1) * slope;
            *v = b2 * *v + (1.0 - b2) * slope * slope;
            *x -= self.lr * (*m / left1) / ((*v / left2).sqrt() + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// x = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True); o = torch.optim.Adam([x], lr=.1)
    /// for _ in range(3): o.zero_grad(); (x ** 4).sum().backward(); o.step()
    /// ```
    #[test]
    fn adam_is_pytorchs() {
        let mut x = vec![1.0, -2.0];
        let mut adam = Stepper::new(PolicyOptimizer::Adam, 0.1, 2);
        for _ in 0..3 {
            let gradient: Vec<f64> = x.iter().map(|x: &f64| 4.0 * x.powi(3)).collect();
            adam.step(&mut x, &gradient);
        }
        for (got, want) in x.iter().zip([0.7075128156390624, -1.7025794858650853]) {
            assert!((got - want).abs() < 1e-12, "{x:?}");
        }
    }

    #[test]
    fn sgd_moves_by_the_gradient() {
        let mut x = vec![1.0];
        Stepper::new(PolicyOptimizer::Sgd, 0.5, 1).step(&mut x, &[0.5]);
        assert_eq!(x, [0.75]);
    }
}
