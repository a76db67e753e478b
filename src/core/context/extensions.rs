//! What rooms above the core keep for a session, one value of each type. So the store's session and the state of sweeps
//! travel with the context, and the core knows of neither.
//!
//! [`Extensions`] are lent by whoever sets a session up; [`States`] make themselves when they are first asked for.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Values by their type.
#[derive(Default)]
pub(super) struct Extensions(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Extensions {
    pub(super) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), value);
    }

    pub(super) fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

/// Values by their type, each made empty when it is first asked for.
#[derive(Default)]
pub(super) struct States(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl States {
    pub(super) fn get<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = held.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())).clone();
        // What is held under the type's own name is of that type.
        state.downcast().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_finds_its_own_value() {
        let mut extensions = Extensions::default();
        assert_eq!(extensions.get::<u8>(), None);
        extensions.insert(Arc::new(7u8));
        extensions.insert(Arc::new("text"));
        assert_eq!((extensions.get::<u8>(), extensions.get::<&str>()), (Some(&7), Some(&"text")));
        assert_eq!(extensions.get::<u16>(), None);
    }

    #[test]
    fn a_state_is_made_once_and_kept() {
        let states = States::default();
        states.get::<Mutex<Vec<u8>>>().lock().expect("unpoisoned").push(3);
        assert_eq!(*states.get::<Mutex<Vec<u8>>>().lock().expect("unpoisoned"), [3]);
        assert!(states.get::<Mutex<Vec<u16>>>().lock().expect("unpoisoned").is_empty());
    }
}
