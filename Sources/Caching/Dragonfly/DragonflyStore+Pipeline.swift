import Platform
import RESP
import Synchronization

/// Whether the store was asked without waiting for it.
public enum Asking: Sendable {
    case asked
    /// It owes so many answers already that more questions would only wait: SQLite is the way.
    case full
    /// No channel is open, or lent just now: `get` is the way.
    case impossible
}

/// Asking without waiting, over channels that somebody watches.
extension DragonflyStore {
    /// Asks for what lies under a key.
    /// - Parameter then: called once by the watcher's thread; with nil when the store did not answer. Only when it is `asked`.
    func ask(_ cache: CacheName, _ key: [UInt8], then: @escaping @Sendable (LookupResult?) -> Void) -> Asking {
        guard isAnswering else { return .impossible }
        let begin = clock.monotonic
        while let pipeline = pipelines.idle.take() {
            guard pipeline.batch == pipelines.batch.load(ordering: .acquiring) else {
                pipeline.close()
                continue
            }
            let acceptance = pipeline.ask(for: self.key(cache, key), copyEpoch: shared.copyEpoch) { [self] answer in
                guard var look = answer else { return then(nil) }
                look.expect(key, in: cache)
                counts.note(askedAt: begin, answeredAt: clock.monotonic)
                if look.isWrong { noteWrong() }
                then(look)
            }
            if case .ended = acceptance { continue }
            pipelines.idle.put(pipeline)
            guard case .accepted(let duties) = acceptance else { return .full }
            counts.commands.add(1, ordering: .relaxed)
            see(to: duties, of: pipeline)
            return .asked
        }
        if pipelines.open.load(ordering: .relaxed) < pipelines.wanted { healthMonitor.ring() }
        return .impossible
    }

    /// Has the health monitor open channels, watched by `watcher`.
    func attach(_ watcher: any DescriptorWatcher) {
        pipelines.watcher.withLock { $0 = watcher }
        healthMonitor.ring()
    }

    /// Opens the channels that are missing. On the health monitor's thread.
    func openPipelines() {
        let batch = breaker.withLock { $0.batch }
        do throws(StoreFault) {
            while isAnswering, pipelines.open.load(ordering: .relaxed) < pipelines.wanted, let watcher = pipelines.watcher.withLock({ $0 })
            {
                let pipeline = RedisPipeline(
                    try connect(batch: batch), timeout: configuration.timeout, counts: counts)
                shared.raiseCopyEpoch()
                guard watcher.watch(pipeline.descriptor, { [weak self] in self?.read(pipeline) ?? false }) else { return }
                pipelines.open.add(1, ordering: .relaxed)
                pipelines.batch.store(batch, ordering: .releasing)
                pipelines.idle.put(pipeline)
            }
        } catch {
            trip(error, batch: batch)
        }
    }

    func closePipelines() {
        while let pipeline = pipelines.idle.take() { pipeline.close() }
    }

    /// On the watcher's thread. false: the channel has ended.
    private func read(_ pipeline: RedisPipeline) -> Bool {
        guard let end = pipeline.read() else { return true }
        pipelines.open.subtract(1, ordering: .relaxed)
        if let fault = end.fault { trip(fault, batch: pipeline.batch) } else { healthMonitor.ring() }
        end.tellUnanswered()
        return false
    }

    private func see(to duties: RedisPipeline.Duties, of pipeline: RedisPipeline) {
        guard duties.flush || duties.watchTime, let watcher = pipelines.watcher.withLock({ $0 }) else { return }
        if duties.flush { watcher.atEndOfTick { pipeline.flush() } }
        if duties.watchTime { watchTime(of: pipeline, after: configuration.timeout) }
    }

    private func watchTime(of pipeline: RedisPipeline, after duration: Duration) {
        pipelines.watcher.withLock { $0 }?.schedule(after: duration) { [weak self] in
            guard let left = pipeline.watchTime() else { return }
            self?.watchTime(of: pipeline, after: left)
        }
    }
}
