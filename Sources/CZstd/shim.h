// zstd as Debian installs it: `apt-get install libzstd-dev`.
#include <zstd.h>
