//! The hash that names a run: blind to the order of keys, and to nothing else.

use prefbench_results::{RunKey, canonical_json};
use proptest::prelude::*;
use serde_json::{Value, json};

/// JSON of some depth, and the same with its objects' keys inserted in another order.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z\"\u{e9}]{1,3}", inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// `value` as JSON text with every object's keys in falling order.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by(|a, b| b.0.cmp(a.0));
            let pairs = pairs
                .into_iter()
                .map(|(k, v)| format!("{} : {}", Value::from(&**k), backwards(v)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(" , "))
        }
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(backwards).collect::<Vec<_>>().join(", ")
        ),
        scalar => scalar.to_string(),
    }
}

/// All values that differ from `value` in one leaf.
fn changed(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(map) => {
            let mut all = vec![json!([])];
            for (key, inner) in map {
                let mut without = map.clone();
                without.remove(key);
                all.push(without.into());
                for other in changed(inner) {
                    let mut map = map.clone();
                    map.insert(key.clone(), other);
                    all.push(map.into());
                }
            }
            all
        }
        Value::Array(items) => {
            let mut all = vec![json!({})];
            for i in 0..items.len() {
                for other in changed(&items[i]) {
                    let mut items = items.clone();
                    items[i] = other;
                    all.push(items.into());
                }
            }
            all
        }
        Value::Null => vec![json!(0), json!("null")],
        Value::Bool(b) => vec![json!(!b), json!(b.to_string())],
        Value::Number(n) => {
            let next = n.as_f64().map(|x| if x == 0.0 { 1.5 } else { x * 1.5 });
            vec![Value::Null, json!(n.to_string()), json!(next)]
        }
        Value::String(s) => vec![json!(format!("{s} ")), Value::Null],
    }
}

proptest! {
    #[test]
    fn key_order_and_white_space_never_matter(value in any_json()) {
        let again: Value = serde_json::from_str(&backwards(&value)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(canonical_json(&again), canonical_json(&value));
        prop_assert_eq!(RunKey::of(&again), RunKey::of(&value));
        let reread: Value =
            serde_json::from_str(&canonical_json(&value)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(RunKey::of(&reread), RunKey::of(&value));
    }

    #[test]
    fn any_change_of_a_value_matters(value in any_json()) {
        for other in changed(&value).into_iter().filter(|other| *other != value) {
            prop_assert_ne!(RunKey::of(&other), RunKey::of(&value), "{} and {}", other, value);
        }
    }
}

/// Folders made by earlier versions must be found again: this hash is a promise.
#[test]
fn the_key_is_what_it_was() {
    let value = json!({"b": [1, 1.0, -0.5, 1e21, true, null], "a": {"é\"\n": "x", "": {}}});
    assert_eq!(
        canonical_json(&value),
        r#"{"a":{"":{},"é\"\n":"x"},"b":[1,1.0,-0.5,1e21,true,null]}"#
    );
    assert_eq!(RunKey::of(&value).short(), "60640cb42510eeec");
    assert_eq!(RunKey::of(&value).full()[..16], RunKey::of(&value).short());
}
