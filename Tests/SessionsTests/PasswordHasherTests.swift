import Dispatch
import Foundation
import Synchronization
import Testing

@testable import Sessions

@Suite struct PasswordHasherTests {
    @Test("The workers of a host hash one after the other")
    func oneAtATime() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("turn-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let turns = [HashingLock(folder: folder), HashingLock(folder: folder)]
        let present = Atomic(0)
        let most = Atomic(0)
        let done = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 2) { worker in
            for _ in 0..<20 {
                turns[worker].take {
                    most.max(present.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
                    usleep(500)
                    present.subtract(1, ordering: .relaxed)
                    done.add(1, ordering: .relaxed)
                }
            }
        }
        #expect(most.load(ordering: .relaxed) == 1)
        #expect(done.load(ordering: .relaxed) == 40)
    }

    @Test("Where there is no such folder each hashes for itself")
    func withoutFolder() {
        #expect(HashingLock(folder: "/nowhere").take { 7 } == 7)
    }
}
