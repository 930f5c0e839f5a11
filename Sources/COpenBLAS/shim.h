// OpenBLAS as Debian installs it: `apt-get install libopenblas-dev`.
#include <cblas.h>
