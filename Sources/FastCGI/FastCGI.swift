import CLibFCGI
