"""The course’s equations as GPU kernels in Triton. Chapter 31 fills this namespace."""
