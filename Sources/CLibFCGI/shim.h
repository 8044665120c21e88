#ifndef CLIBFCGI_SHIM_H
#define CLIBFCGI_SHIM_H

/* The FastCGI protocol's numbers and record layouts, as libfcgi's header has them. Nothing of libfcgi is linked. */

#if __has_include(<fastcgi.h>)
#include <fastcgi.h>
#else
#error "fastcgi.h is missing. On Debian and Ubuntu: apt-get install libfcgi-dev, or scripts/install-dependencies"
#endif

#endif
