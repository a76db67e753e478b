//! `world::tasks`

use crate::bind::prelude::*;

/// The record.
pub fn function() -> Function {
    Function::new("world", "tasks", run)
        .about("What can be asked about a generated world: name, meaning and classes of each task.")
        .details("`data::load(\"world/NAME\")` loads a task of the shipped ladder's world, `world::task` of any world.")
        .returns("array of object map: `name`, `about`, `classes`")
        .example("world::tasks().map(|task| task.name)", "[\"era\", \"subject\", \"mood\", \"verdict\", \"contrast\"]")
}

fn run(_call: &mut Call) -> Answer {
    let tasks = crate::domains::world::tasks().iter().map(|task| {
        let mut map = Map::new();
        map.insert("name".into(), task.name.into());
        map.insert("about".into(), task.about.into());
        map.insert("classes".into(), task.classes.map(Dynamic::from).to_vec().into());
        Dynamic::from_map(map)
    });
    Ok(Dynamic::from_array(tasks.collect()))
}
