import Glibc

/// Tells that a file is written, by any process of this host (inotify(7)). Not every file system says so (those over a network do not of other
/// hosts' writes), and a host grants each user so many: whoever waits looks now and then all the same.
public final class FileWatch: Sendable {
    private let descriptor: CInt

    /// nil where there is no such file, or no watch is to be had. The file itself is watched, whatever its path names later.
    public init?(path: String) {
        descriptor = inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK))
        guard descriptor >= 0 else { return nil }
        guard inotify_add_watch(descriptor, path, UInt32(IN_MODIFY)) >= 0 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// Waits until the file is written or `stop` is signalled, at most so long, and takes what was told of the file.
    /// - Parameter watch: nil: only `stop` is waited for.
    public static func wait(for watch: FileWatch?, or stop: EventFD, within limit: Duration, _ context: borrowing BlockingContext) {
        // What has a negative descriptor is passed over (poll(2)).
        var watched = [stop.descriptor, watch?.descriptor ?? -1].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = poll(&watched, nfds_t(watched.count), CInt(clamping: max(0, limit.wholeNanoseconds / 1_000_000)))
        watch?.take()
    }

    private func take() {
        var events = [UInt8](repeating: 0, count: 4096)
        while read(descriptor, &events, events.count) > 0 {}
    }
}
