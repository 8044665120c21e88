import CSystem
import Glibc

/// One hash at a time on the whole host: a lock on `hashing.lock` in the data folder, which goes with the process that has it. A yielding
/// thread yields only to its own control group (sched(7), autogroup); so that nginx in another one keeps cores, too, the workers of a
/// host do not hash side by side. Where there is no such file each worker hashes for itself.
final class HashingTurn: Sendable {
    private let descriptor: CInt

    init(folder: String) { descriptor = open(folder + "/hashing.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o640) }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Runs the work when nobody else on the host hashes. May wait: for the hashing thread alone.
    func take<Result>(_ work: () -> Result) -> Result {
        guard descriptor >= 0, csys_wait_for_lock(descriptor) == 0 else { return work() }
        defer { _ = csys_lock_byte(descriptor, 0, 0) }
        return work()
    }
}
