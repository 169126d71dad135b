//! Devices by name. The only place where a name becomes a burn backend type.

use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::Flex;
use prefbench_oracles::UnknownName;
use serde::{Deserialize, Serialize};

use crate::dense::Dense;
use crate::mish::Mish;

/// Where tensors live and which backend computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// burn-flex on one CPU thread: the default, and the fastest on a CPU.
    Flex,
    /// burn-ndarray on one CPU thread.
    Ndarray,
    /// burn-cuda on the first NVIDIA GPU; needs the cargo feature `cuda` and a driver.
    Cuda,
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such device.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// Built without CUDA.
    #[error("device `cuda`: this binary was built without CUDA; rebuild with `--features cuda`")]
    NotBuilt,
    /// No usable driver or GPU.
    #[error("device `cuda`: {0}; use `--device flex`, or install an NVIDIA driver")]
    NoDriver(String),
}

/// Every device, the default first.
pub const DEVICES: &[Device] = &[Device::Flex, Device::Ndarray, Device::Cuda];

impl Device {
    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Device::Flex => "flex",
            Device::Ndarray => "ndarray",
            Device::Cuda => "cuda",
        }
    }

    /// Looks a device up by name.
    pub fn find(name: &str) -> Result<Self, DeviceError> {
        DEVICES
            .iter()
            .copied()
            .find(|d| d.name() == name)
            .ok_or_else(|| {
                UnknownName::new("device", name, DEVICES.iter().map(|d| d.name())).into()
            })
    }

    /// Checks that the device can be used here, before any tensor is made on it.
    pub fn check(self) -> Result<(), DeviceError> {
        match self {
            Device::Flex | Device::Ndarray => Ok(()),
            Device::Cuda => cuda::check(),
        }
    }
}

/// A burn backend with autodiff that learners can run on.
pub trait Compute:
    Dense + Mish + AutodiffBackend<InnerBackend: Dense + Mish, Device: Default, FloatElem = f32>
{
}

impl<A> Compute for A where
    A: Dense + Mish + AutodiffBackend<InnerBackend: Dense + Mish, Device: Default, FloatElem = f32>
{
}

/// Runs `$build::<Backend>($args)` on the backend named by `$device`.
macro_rules! on_device {
    ($device:expr, $build:ident($($arg:expr),* $(,)?)) => {{
        $device.check()?;
        match $device {
            $crate::Device::Flex => $build::<burn::backend::Autodiff<burn_flex::Flex>>($($arg),*),
            $crate::Device::Ndarray => {
                $build::<burn::backend::Autodiff<burn_ndarray::NdArray>>($($arg),*)
            }
            #[cfg(feature = "cuda")]
            $crate::Device::Cuda => $build::<burn::backend::Autodiff<burn_cuda::Cuda>>($($arg),*),
            #[cfg(not(feature = "cuda"))]
            $crate::Device::Cuda => Err($crate::DeviceError::NotBuilt.into()),
        }
    }};
}
pub(crate) use on_device;

#[cfg(not(feature = "cuda"))]
mod cuda {
    pub(super) fn check() -> Result<(), super::DeviceError> {
        Err(super::DeviceError::NotBuilt)
    }
}

/// burn-cuda panics in a worker thread when there is no driver, so we ask the driver first.
#[cfg(feature = "cuda")]
#[allow(unsafe_code)] // three calls into the C driver library
mod cuda {
    use super::DeviceError;
    use libloading::{Library, Symbol};

    type Init = unsafe extern "C" fn(u32) -> i32;
    type Count = unsafe extern "C" fn(*mut i32) -> i32;

    pub(super) fn check() -> Result<(), DeviceError> {
        let fail = |what: String| Err(DeviceError::NoDriver(what));
        let name = if cfg!(windows) {
            "nvcuda.dll"
        } else {
            "libcuda.so.1"
        };
        // SAFETY: the driver library has no unsound initialisers; both symbols have had these
        // C signatures since CUDA 2.0.
        unsafe {
            let Ok(library) = Library::new(name) else {
                return fail(format!("the NVIDIA driver library {name} was not found"));
            };
            let (Ok(init), Ok(count)): (Result<Symbol<Init>, _>, Result<Symbol<Count>, _>) =
                (library.get(b"cuInit\0"), library.get(b"cuDeviceGetCount\0"))
            else {
                return fail(format!("{name} lacks cuInit or cuDeviceGetCount"));
            };
            let code = init(0);
            if code != 0 {
                return fail(format!(
                    "the NVIDIA driver refused to start (cuInit gave {code})"
                ));
            }
            let mut devices = 0;
            if count(&mut devices) != 0 || devices == 0 {
                return fail("the NVIDIA driver reports no GPU".to_owned());
            }
        }
        Ok(())
    }
}

/// The default backend by type, for benches and tests that take a learner's parts by hand.
pub type Cpu = Autodiff<Flex>;
