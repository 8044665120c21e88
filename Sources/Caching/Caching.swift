import GRDB
import CLibHiredis
