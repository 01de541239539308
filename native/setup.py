"""The extension module; everything else is in pyproject.toml."""

from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

ParallelCompile("STILLHOUSE_BUILD_JOBS", default=0).install()

setup(
    ext_modules=[
        Pybind11Extension(
            "stillhouse_native._core",
            [*sorted(glob("src/*.cpp")), "python/binding.cpp"],
            include_dirs=["include"],
            depends=sorted(glob("include/stillhouse/*.hpp") + glob("src/*.hpp")),
            cxx_std=20,
            extra_compile_args=["-O3", "-Wall", "-Wextra", "-pthread"],
            extra_link_args=["-pthread"],
        )
    ],
)
