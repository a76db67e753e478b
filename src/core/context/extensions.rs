//! What rooms above the core keep for a session, one value of each type. So the store's session and the state of sweeps
//! travel with the context, and the core knows of neither.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

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
}
