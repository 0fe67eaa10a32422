# Source this file in bash: loads what palimpsest is built with, under the names most sites use, and says what is missing.
# Change the names to those of `module avail`.
for name in gcc cmake openmpi hdf5-parallel openblas; do
    module load "$name" || echo "no module $name here: see module avail" >&2
done
unset name
"$(dirname -- "${BASH_SOURCE[0]}")/../../tools/install" --check build
