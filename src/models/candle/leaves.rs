//! Parameters in training on a device: variables, their gradients, Adam's moments, its step. Nothing of it comes to the
//! host but the gradients' norm, until somebody asks.

use crate::kernels::optim::AdamWOptions;
use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Result, Tensor, Var};

/// Variables in a fixed order, which is that of the flat buffer that they are read from and into.
#[derive(Debug)]
pub struct Leaves {
    leaves: Vec<Leaf>,
    options: AdamWOptions,
    n_steps: i32,
}

#[derive(Debug)]
struct Leaf {
    var: Var,
    first: Tensor,
    second: Tensor,
    gradient: Option<Tensor>,
    decays: bool,
    average: Option<Tensor>,
}

/// What one of the variables is.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafShape {
    pub shape: Vec<usize>,
    /// Whether weight decay acts on it.
    pub decays: bool,
}

impl Leaves {
    /// Variables of these shapes with the numbers of `flat`, one after the other.
    pub fn new(
        shapes: impl IntoIterator<Item = LeafShape>,
        flat: &[f32],
        options: AdamWOptions,
        device: &Device,
    ) -> Result<Self> {
        let mut rest = flat;
        let mut leaves = Vec::new();
        for LeafShape { shape, decays } in shapes {
            let values = taken(&mut rest, shape.iter().product())?;
            let var = Var::from_slice(values, shape.as_slice(), device)?;
            let zeros = var.zeros_like()?;
            leaves.push(Leaf { var, first: zeros.clone(), second: zeros, gradient: None, decays, average: None });
        }
        match rest.len() {
            0 => Ok(Leaves { leaves, options, n_steps: 0 }),
            n => candle_core::bail!("{n} numbers are left over"),
        }
    }

    /// The variables as tensors, in order; they stay the same ones from step to step.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor> + '_ {
        self.leaves.iter().map(|leaf| leaf.var.as_tensor().clone())
    }

    /// How many numbers.
    pub fn n_numbers(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.var.elem_count()).sum()
    }

    /// Adds the gradients that a backward pass found.
    pub fn add(&mut self, store: &GradStore) -> Result<()> {
        for leaf in &mut self.leaves {
            let Some(found) = store.get(&leaf.var) else { continue };
            // Detached: it may hold the graph that it was computed in.
            leaf.gradient = Some(match &leaf.gradient {
                Some(sum) => (sum + found.detach())?,
                None => found.detach(),
            });
        }
        Ok(())
    }

    /// The gradients, flat; 0 where nothing was found.
    #[cfg(test)]
    pub fn gradients(&self) -> Result<Vec<f32>> {
        let mut flat = Vec::with_capacity(self.n_numbers());
        for leaf in &self.leaves {
            match &leaf.gradient {
                Some(gradient) => flat.extend(values(gradient)?),
                None => flat.extend(std::iter::repeat_n(0.0, leaf.var.elem_count())),
            }
        }
        Ok(flat)
    }

    /// One step of AdamW along the gradients, which are forgotten; as `kernels::optim` has it. Gives their norm before
    /// they are clipped to `clip`; if that is not finite, nothing is changed.
    pub fn step(&mut self, lr: f64, clip: Option<f64>) -> Result<f64> {
        let norm = self.norm()?;
        if !norm.is_finite() {
            self.leaves.iter_mut().for_each(|leaf| leaf.gradient = None);
            return Ok(f64::NAN);
        }
        let AdamWOptions { beta1, beta2, eps, weight_decay } = self.options;
        self.n_steps = self.n_steps.saturating_add(1);
        let scale = clip.filter(|&most| norm > most).map_or(1.0, |most| most / norm);
        let rate = lr / (1.0 - beta1.powi(self.n_steps));
        let correction = 1.0 / (1.0 - beta2.powi(self.n_steps)).sqrt();
        for leaf in &mut self.leaves {
            let (mut first, mut second) = ((&leaf.first * beta1)?, (&leaf.second * beta2)?);
            if let Some(gradient) = leaf.gradient.take() {
                let gradient = (gradient.contiguous()? * scale)?;
                first = (first + (&gradient * (1.0 - beta1))?)?;
                second = (second + (gradient.sqr()? * (1.0 - beta2))?)?;
            }
            let change = (&first * rate)?.div(&second.sqrt()?.affine(correction, eps)?)?;
            let kept = if leaf.decays { 1.0 - lr * weight_decay } else { 1.0 };
            leaf.var.set(&(leaf.var.as_detached_tensor() * kept)?.sub(&change)?)?;
            (leaf.first, leaf.second) = (first, second);
        }
        Ok(norm)
    }

    /// The norm of all gradients together: squares are summed on the device, row by row and then the rows, and in double
    /// precision on the host.
    fn norm(&self) -> Result<f64> {
        let gradients = self.leaves.iter().filter_map(|leaf| leaf.gradient.as_ref());
        let sums = gradients.map(|gradient| gradient.sqr()?.sum(D::Minus1)?.sum_all());
        let sums = sums.collect::<Result<Vec<_>>>()?;
        if sums.is_empty() {
            return Ok(0.0);
        }
        let squares = Tensor::stack(&sums, 0)?.to_vec1::<f32>()?;
        Ok(squares.into_iter().map(f64::from).sum::<f64>().sqrt())
    }

    /// The parameters, flat.
    pub fn values(&self) -> Result<Vec<f32>> {
        self.flat(|leaf| leaf.var.as_tensor())
    }

    /// The first and second moments, flat: with parameters and the number of steps all that it remembers.
    pub fn moments(&self) -> Result<[Vec<f32>; 2]> {
        Ok([self.flat(|leaf| &leaf.first)?, self.flat(|leaf| &leaf.second)?])
    }

    /// Keeps an average of the parameters from here on, which begins as they are.
    pub fn start_average(&mut self) -> Result<()> {
        for leaf in &mut self.leaves {
            leaf.average = Some(leaf.var.as_detached_tensor().copy()?);
        }
        Ok(())
    }

    /// Moves the average by `share` of the way to the parameters; nothing where none is kept.
    pub fn average(&mut self, share: f64) -> Result<()> {
        for leaf in &mut self.leaves {
            if let Some(average) = leaf.average.take() {
                let way = (leaf.var.as_detached_tensor() - &average)?;
                leaf.average = Some((average + (way * share)?)?);
            }
        }
        Ok(())
    }

    /// The average, flat, where one is kept.
    pub fn averaged(&self) -> Result<Option<Vec<f32>>> {
        if self.leaves.iter().any(|leaf| leaf.average.is_none()) {
            return Ok(None);
        }
        self.flat(|leaf| leaf.average.as_ref().unwrap_or(leaf.var.as_tensor())).map(Some)
    }

    /// Exchanges the parameters with their average; nothing where none is kept.
    pub fn swap_average(&mut self) -> Result<()> {
        for leaf in &mut self.leaves {
            if let Some(average) = leaf.average.take() {
                leaf.average = Some(leaf.var.as_detached_tensor().copy()?);
                leaf.var.set(&average)?;
            }
        }
        Ok(())
    }

    /// Makes everything as it was after `n_steps`.
    pub fn resume(
        &mut self,
        n_steps: usize,
        [params, first, second]: [&[f32]; 3],
        average: Option<&[f32]>,
    ) -> Result<()> {
        let (mut params, mut first, mut second, mut average) = (params, first, second, average);
        for leaf in &mut self.leaves {
            let (n, shape, device) = (leaf.var.elem_count(), leaf.var.shape().clone(), leaf.var.device().clone());
            let tensor = |rest: &mut &[f32]| Tensor::from_slice(taken(rest, n)?, shape.clone(), &device);
            leaf.var.set(&tensor(&mut params)?)?;
            (leaf.first, leaf.second) = (tensor(&mut first)?, tensor(&mut second)?);
            leaf.average = average.as_mut().map(tensor).transpose()?;
        }
        self.n_steps = i32::try_from(n_steps).unwrap_or(i32::MAX);
        Ok(())
    }

    fn flat(&self, of: impl Fn(&Leaf) -> &Tensor) -> Result<Vec<f32>> {
        let mut flat = Vec::with_capacity(self.n_numbers());
        for leaf in &self.leaves {
            flat.extend(values(of(leaf))?);
        }
        Ok(flat)
    }
}

/// The numbers of a tensor, row-major, on the host.
pub fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()
}

/// The first `n` numbers of `rest`, which loses them.
fn taken<'a>(rest: &mut &'a [f32], n: usize) -> Result<&'a [f32]> {
    let Some((taken, behind)) = rest.split_at_checked(n) else {
        candle_core::bail!("{} numbers given, {n} expected", rest.len())
    };
    *rest = behind;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::optim::AdamW;

    fn leaves(options: AdamWOptions, flat: &[f32]) -> Leaves {
        let shapes = [(vec![3, 4], true), (vec![5], false), (vec![2, 2], true)];
        let shapes = shapes.map(|(shape, decays)| LeafShape { shape, decays });
        Leaves::new(shapes, flat, options, &Device::Cpu).expect("they fit")
    }

    /// The gradient of `Σ slope · parameter` is the slope.
    fn add(leaves: &mut Leaves, slopes: &[f32]) {
        let mut rest = slopes;
        let mut sum = Tensor::new(0f32, &Device::Cpu).expect("a number");
        for tensor in leaves.tensors() {
            let slope = Tensor::from_slice(
                taken(&mut rest, tensor.elem_count()).expect("enough"),
                tensor.shape(),
                &Device::Cpu,
            );
            sum = (sum + (tensor * slope.expect("a tensor")).and_then(|p| p.sum_all()).expect("a sum")).expect("a sum");
        }
        leaves.add(&sum.backward().expect("gradients")).expect("they fit");
    }

    #[test]
    fn steps_equal_those_of_the_own_optimiser() {
        let options = AdamWOptions { weight_decay: 0.1, ..AdamWOptions::default() };
        let mut params: Vec<f32> = (0..21).map(|i| i as f32 / 10.0 - 1.0).collect();
        let mut adam = AdamW::new(21, options);
        let mut ours = leaves(options, &params);
        for step in 0..6 {
            let grads: Vec<f32> = (0..21).map(|i| ((i * 7 + step * 3) % 11) as f32 - 5.0).collect();
            // In two parts, as accumulation adds them.
            for _ in 0..2 {
                add(&mut ours, &grads.iter().map(|g| g / 2.0).collect::<Vec<_>>());
            }
            assert_eq!(ours.gradients().expect("read"), grads);
            let expected = adam.step(&mut params, &grads, 0.05, Some(3.0), &[0..12, 17..21]);
            let norm = ours.step(0.05, Some(3.0)).expect("a step");
            assert!((norm - expected).abs() < 1e-5 * expected, "{norm} {expected}");
            if step == 2 {
                let [first, second] = ours.moments().expect("read");
                let held = ours.values().expect("read");
                ours = leaves(options, &[0.0; 21]);
                ours.resume(3, [&held, &first, &second], None).expect("they fit");
            }
        }
        for (got, want) in ours.values().expect("read").iter().zip(&params) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing_and_none_leaves_the_decay() {
        let options = AdamWOptions { weight_decay: 0.5, ..AdamWOptions::default() };
        let mut ours = leaves(options, &[1.0; 21]);
        let mut slopes = [1.0; 21];
        slopes[14] = f32::NAN;
        add(&mut ours, &slopes);
        assert!(ours.step(0.1, Some(1.0)).expect("no step").is_nan());
        assert_eq!(ours.values().expect("read"), [1.0; 21]);
        assert_eq!(ours.step(0.1, Some(1.0)).expect("a step"), 0.0, "the bad gradient was forgotten");
        let values = ours.values().expect("read");
        assert!(values[..12].iter().chain(&values[17..]).all(|v| (v - 0.95).abs() < 1e-6));
        assert_eq!(values[12..17], [1.0; 5]);
        assert!(Leaves::new([], &[0.0], options, &Device::Cpu).is_err());
    }

    #[test]
    fn an_average_follows_the_parameters_and_changes_places_with_them() {
        let mut ours = leaves(AdamWOptions::default(), &[1.0; 21]);
        ours.average(0.5).expect("nothing to do");
        assert_eq!(ours.averaged().expect("none"), None);
        ours.start_average().expect("copied");
        ours.resume(0, [&[3.0; 21], &[0.0; 21], &[0.0; 21]], Some(&[1.0; 21])).expect("they fit");
        ours.average(0.25).expect("moved");
        assert_eq!(ours.averaged().expect("read"), Some(vec![1.5; 21]));
        ours.swap_average().expect("swapped");
        assert_eq!(
            (ours.values().expect("read"), ours.averaged().expect("read")),
            (vec![1.5; 21], Some(vec![3.0; 21]))
        );
    }
}
