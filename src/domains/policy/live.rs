//! A policy at work: parameters that training changes, from which the rows that a step needs are computed.

use super::table::log_sum;
use super::{Form, Policy};

/// Parameters of a policy's form.
pub struct Live<'a> {
    form: &'a Policy,
    pub parameters: Vec<f64>,
}

impl<'a> Live<'a> {
    pub fn of(policy: &'a Policy) -> Live<'a> {
        Live { form: policy, parameters: policy.parameters() }
    }

    /// ln π of every response of a prompt.
    pub fn row(&self, prompt: usize) -> Vec<f64> {
        let n = self.form.n_responses;
        let places = prompt * n..(prompt + 1) * n;
        let mut logits: Vec<f64> = match &self.form.form {
            Form::Tabular => self.parameters.get(places.clone()).unwrap_or_default().to_vec(),
            Form::LogLinear { features, .. } => {
                let k = features.n();
                let rows = features.values.get(places.start * k..places.end * k).unwrap_or_default();
                rows.chunks(k).map(|row| row.iter().zip(&self.parameters).map(|(x, w)| x * w).sum()).collect()
            }
        };
        if let Form::LogLinear { offset: Some(offset), .. } = &self.form.form {
            let own = offset.get(places).unwrap_or_default();
            logits.iter_mut().zip(own).for_each(|(logit, own)| *logit += own);
        }
        let total = log_sum(&logits);
        logits.iter_mut().for_each(|logit| *logit -= total);
        logits
    }

    /// Adds to the gradient by the parameters what a prompt's gradient by its logits comes to.
    pub fn add(&self, gradient: &mut [f64], prompt: usize, by_logit: &[f64]) {
        let n = self.form.n_responses;
        let places = prompt * n..(prompt + 1) * n;
        match &self.form.form {
            Form::Tabular => {
                let own = gradient.get_mut(places).unwrap_or_default();
                own.iter_mut().zip(by_logit).for_each(|(sum, slope)| *sum += slope);
            }
            Form::LogLinear { features, .. } => {
                let k = features.n();
                let rows = features.values.get(places.start * k..places.end * k).unwrap_or_default();
                for (row, slope) in rows.chunks(k).zip(by_logit).filter(|(_, slope)| **slope != 0.0) {
                    gradient.iter_mut().zip(row).for_each(|(sum, x)| *sum += slope * x);
                }
            }
        }
    }
}
