//! The complete state of a learner as named tensors and JSON values, and its bytes on disk.
//!
//! One safetensors file holds everything: tensors as `F32`, the JSON values as one UTF-8 `U8`
//! tensor named [`JSON`]. Names are sorted, so equal states are equal bytes.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Serialize, de::DeserializeOwned};

/// Name of the tensor that carries the JSON values.
const JSON: &str = "json";

/// What can be wrong with a stored state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The bytes are not a safetensors file of ours.
    #[error("the learner state cannot be read: {0}; the file is damaged or not prefbench's")]
    Unreadable(String),
    /// A name is not there.
    #[error("the learner state has no `{0}`; it was saved by another algorithm or another version")]
    Missing(String),
    /// A tensor has another shape than the learner's.
    #[error(
        "the learner state has `{name}` of shape {found:?}, but this configuration needs {needed:?}; \
         it was saved under another configuration"
    )]
    Shape {
        /// Tensor name.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape of the learner.
        needed: Vec<usize>,
    },
    /// A JSON value has another type.
    #[error("the learner state has an unusable `{name}`: {why}")]
    Value {
        /// Value name.
        name: String,
        /// serde's message.
        why: String,
    },
}

/// Named tensors (row-major `f32`) and JSON values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    json: BTreeMap<String, serde_json::Value>,
}

impl State {
    /// Stores a tensor's values.
    pub fn put_tensor<B: Backend, const D: usize>(&mut self, name: &str, tensor: Tensor<B, D>) {
        let data = tensor.into_data();
        let shape = data.shape.to_vec();
        let values = data.iter::<f32>().collect();
        self.tensors.insert(name.to_owned(), (shape, values));
    }

    /// Overwrites `into` with the stored values, on its own device.
    pub fn get_tensor<B: Backend, const D: usize>(
        &self,
        name: &str,
        into: &mut Tensor<B, D>,
    ) -> Result<(), StateError> {
        let values = self.get_column(name, &into.dims())?;
        *into = Tensor::from_data(TensorData::new(values, into.dims()), &into.device());
        Ok(())
    }

    /// Stores host values of shape `shape`.
    pub fn put_column(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let entry = (shape.to_vec(), values.to_vec());
        self.tensors.insert(name.to_owned(), entry);
    }

    /// Host values that must have exactly the shape `needed`.
    pub fn get_column(&self, name: &str, needed: &[usize]) -> Result<Vec<f32>, StateError> {
        let (shape, values) = self
            .tensors
            .get(name)
            .ok_or_else(|| StateError::Missing(name.to_owned()))?;
        if shape != needed {
            return Err(StateError::Shape {
                name: name.to_owned(),
                found: shape.clone(),
                needed: needed.to_vec(),
            });
        }
        Ok(values.clone())
    }

    /// Host values of any length, stored as one column.
    pub fn get_flat(&self, name: &str) -> Result<Vec<f32>, StateError> {
        let (_, values) = self
            .tensors
            .get(name)
            .ok_or_else(|| StateError::Missing(name.to_owned()))?;
        Ok(values.clone())
    }

    /// The shape of a tensor; `None` if there is none of this name.
    #[cfg(test)]
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(|(shape, _)| shape.clone())
    }

    /// Stores any serialisable value.
    pub fn put_json<T: Serialize>(&mut self, name: &str, value: &T) {
        let value = serde_json::to_value(value).expect("plain data serialises");
        self.json.insert(name.to_owned(), value);
    }

    /// Reads what [`State::put_json`] stored.
    pub fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StateError> {
        let value = self
            .json
            .get(name)
            .ok_or_else(|| StateError::Missing(name.to_owned()))?;
        serde_json::from_value(value.clone()).map_err(|e| StateError::Value {
            name: name.to_owned(),
            why: e.to_string(),
        })
    }

    /// Marks this as the state of an algorithm.
    pub fn put_algorithm(&mut self, id: &str) {
        self.put_json("algorithm", &id);
    }

    /// Refuses the state of any other algorithm.
    pub fn check_algorithm(&self, id: &str) -> Result<(), StateError> {
        let found: String = self.get_json("algorithm")?;
        if found != id {
            return Err(StateError::Value {
                name: "algorithm".to_owned(),
                why: format!("it was saved by `{found}`, and this learner is `{id}`"),
            });
        }
        Ok(())
    }

    /// The safetensors file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(&self.json).expect("plain data serialises");
        let buffers: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                (name.as_str(), Dtype::F32, shape.clone(), bytes)
            })
            .chain([(JSON, Dtype::U8, vec![json.len()], json)])
            .collect();
        let views = buffers.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes);
            (*name, view.expect("each buffer was sized by its shape"))
        });
        safetensors::serialize(views, None).expect("names are unique and buffers sized")
    }

    /// Reads a file written by [`State::to_bytes`]. Sizes are checked against the bytes present.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let unreadable = |e: &dyn std::fmt::Display| StateError::Unreadable(e.to_string());
        let file = SafeTensors::deserialize(bytes).map_err(|e| unreadable(&e))?;
        let mut state = Self::default();
        for (name, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    let values = view
                        .data()
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|c| f32::from_le_bytes(*c))
                        .collect();
                    state.tensors.insert(name, (view.shape().to_vec(), values));
                }
                Dtype::U8 if name == JSON => {
                    state.json = serde_json::from_slice(view.data()).map_err(|e| unreadable(&e))?;
                }
                other => return Err(unreadable(&format!("`{name}` is of type {other:?}"))),
            }
        }
        Ok(state)
    }
}

/// Serialises an `f64` as its bits (`#[serde(with = "exact")]`): JSON has no NaN, and serde_json
/// may read a number back one unit in the last place off.
pub(crate) mod exact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        u64::deserialize(from).map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> State {
        let mut s = State::default();
        s.put_column("b", &[2, 2], &[1.0, -2.0, f32::MIN_POSITIVE, 4.5]);
        s.put_column("a", &[0], &[]);
        s.put_json("steps", &7u32);
        s
    }

    #[test]
    fn bytes_round_trip_and_are_reproducible() {
        let bytes = sample().to_bytes();
        assert_eq!(bytes, sample().to_bytes());
        assert_eq!(State::from_bytes(&bytes).unwrap(), sample());
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = sample().to_bytes();
        for n in 0..bytes.len() {
            assert!(
                State::from_bytes(&bytes[..n]).is_err(),
                "{n} bytes accepted"
            );
        }
    }

    #[test]
    fn a_foreign_shape_or_name_is_named() {
        let s = sample();
        let e = s.get_column("b", &[4]).unwrap_err().to_string();
        assert!(
            e.contains("`b`") && e.contains("[2, 2]") && e.contains("[4]"),
            "{e}"
        );
        assert!(
            s.get_column("c", &[4])
                .unwrap_err()
                .to_string()
                .contains("`c`")
        );
        assert!(s.get_json::<String>("steps").is_err());
    }
}
