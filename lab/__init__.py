"""A fleet of small hosts on one machine: for the demo, the tests and the benchmarks. See lab/lab --help."""
