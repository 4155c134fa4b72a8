"""The two seccomp filters: the cage's short list of what is allowed, the zygote's list of what is not.

A refused system call fails with EPERM, so an honest command that tries one gets an exception it can be told about.
"""

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyseccomp

# What pure Python needs: memory, its locks, clocks, the pipe it has, and to end.
CAGE_ALLOWS: Final = """
    read readv write writev close lseek fstat
    brk mmap munmap mremap mprotect madvise
    futex futex_time64 sched_yield getpid getppid gettid rseq set_robust_list membarrier
    clock_gettime clock_gettime64 clock_getres clock_nanosleep clock_nanosleep_time64 nanosleep gettimeofday time
    getrandom rt_sigaction rt_sigprocmask rt_sigreturn sigreturn sigaltstack restart_syscall
    exit exit_group
"""

# What the zygote never does again once it stands, nor may a plugin while it is imported.
ZYGOTE_DENIES: Final = """
    execve execveat
    socket connect bind listen accept accept4
    ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp
    mount umount2 pivot_root chroot unshare setns fsopen fsmount move_mount open_tree mount_setattr
    open_by_handle_at name_to_handle_at
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
    keyctl add_key request_key
    init_module finit_module delete_module kexec_load kexec_file_load
    reboot swapon swapoff acct quotactl personality settimeofday clock_settime adjtimex clock_adjtime
    sethostname setdomainname iopl ioperm mknod mknodat
"""


def cage_filter() -> "pyseccomp.SyscallFilter":
    """Return the filter that denies all but `CAGE_ALLOWS`. Raises `ImportError`, `RuntimeError` or `OSError`."""
    import pyseccomp

    return _rules(pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM)), pyseccomp.ALLOW, CAGE_ALLOWS.split())


def zygote_filter() -> "pyseccomp.SyscallFilter":
    """Return the filter that allows all but `ZYGOTE_DENIES`. Raises like `cage_filter`."""
    import pyseccomp

    return _rules(pyseccomp.SyscallFilter(pyseccomp.ALLOW), pyseccomp.ERRNO(errno.EPERM), ZYGOTE_DENIES.split())


def _rules(made: "pyseccomp.SyscallFilter", action: int, names: Iterable[str]) -> "pyseccomp.SyscallFilter":
    import pyseccomp

    for name in names:
        number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        if number >= 0:  # else this architecture has none of that name
            made.add_rule(action, number)
    return made
