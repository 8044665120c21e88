import CLibFCGI
import CSystem
import Glibc

/// One connection's `FCGX_Request`, used again for each of its requests.
///
/// libfcgi is given a descriptor that it did not accept: `ipcFd` and `keepConnection` are set before FCGX_Accept_r, which begins by
/// finishing the request before and would close the connection otherwise. `detached` makes a close inside libfcgi a plain close(2):
/// otherwise it lingers up to 2 s in the calling thread. Not thread-safe: whoever has the connection has this.
final class Exchange {
    private let request: UnsafeMutablePointer<FCGX_Request>
    private(set) var isKept = false

    init() {
        request = .allocate(capacity: 1)
        FCGX_InitRequest(request, -1, 0)
    }

    deinit {
        abandon()
        request.deallocate()
    }

    /// Reads BEGIN_REQUEST and the parameters, which a scan has found whole. When false, libfcgi has closed the descriptor.
    func accept(on descriptor: CInt) -> Bool {
        request.pointee.ipcFd = descriptor
        request.pointee.keepConnection = 1
        request.pointee.detached = 1
        guard FCGX_Accept_r(request) == 0 else { return false }
        isKept = request.pointee.keepConnection != 0
        return true
    }

    var environment: Environment { Environment(strings: request.pointee.envp) }

    /// Appends to the answer; libfcgi writes whenever 8 KB are full. False when the write failed.
    func put(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return true }
        return FCGX_PutStr(start.assumingMemoryBound(to: CChar.self), CInt(bytes.count), request.pointee.out) == CInt(bytes.count)
    }

    /// Ends the answer and frees what libfcgi holds; the connection stays open. What still fits the 8 KB leaves with the end in one
    /// write. False when a write failed.
    func finish() -> Bool {
        // stderr first: closing it last would cost an extra write (fcgiapp.c, FCGX_FClose).
        FCGX_FClose(request.pointee.err)
        let written = FCGX_FClose(request.pointee.out) == 0
        abandon()
        return written
    }

    /// Ends the answer on a kept connection that will not be kept.
    ///
    /// FastCGI has no word for this, and a web server that learns it from the close alone may have sent its next request already:
    /// nginx answers 502 to a POST then. nginx does keep a connection only if END_REQUEST is the last thing it has read, so a
    /// harmless management record travels in the same write: it closes the connection by itself, and nothing can cross.
    func finishLeaving() -> Bool {
        let id = UInt16(truncatingIfNeeded: request.pointee.requestId)
        let descriptor = request.pointee.ipcFd
        // Three writers: libfcgi leaves END_REQUEST to the third, which is us.
        request.pointee.nWriters += 1
        FCGX_FClose(request.pointee.err)
        let written = FCGX_FClose(request.pointee.out) == 0
        abandon()
        guard written else { return false }
        let (high, low) = (UInt8(id >> 8), UInt8(id & 0xff))
        let end: [UInt8] = [
            1, Record.endRequest, high, low, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            1, Record.unknownType, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]
        return send(descriptor, end, end.count, CInt(MSG_NOSIGNAL)) == end.count
    }

    /// Frees what libfcgi holds for the request, without a word to the other side.
    func abandon() {
        FCGX_Free(request, 0)
    }
}
