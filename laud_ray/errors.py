"""Every error that laud_ray raises on purpose.

LaudError
├── UserError               what the user gave is wrong; one clear line, exit code 2
│   ├── ConfigError         a key or value of the configuration
│   ├── CorpusError         a file, column or row of the data
│   ├── RunError            a run that is missing, busy, or differs from its configuration
│   ├── ModelError          a model that is missing, broken, or does not fit the task
│   ├── DamageError         a file or row that laud_ray wrote is not as it was written
│   └── ScratchError        the temporary directory cannot be used, or another user's folder is in the way
├── EngineError             an engine has stopped or can score no more; a worker's process that meets it ends
├── PoolExhaustedError      more documents asked for than the pool holds
├── PassError               a pass cannot go on: its workers end on everything, or the disk is full
│   └── SetAsideError       some ranges were set aside, since their workers died again and again
├── StoreError              a run's database is broken, full, locked or cannot be reached
├── StorageError            an object store fails or cannot be reached; also an OSError
│   └── StorageSettingsError    its bucket is missing or its credentials are refused; also a UserError
├── JobError                a cluster fails, or refuses a job
│   └── AddressError            none is at that address, or it refuses the token; also a UserError
└── ServiceError            a service refused a request, or could not be reached
"""


class LaudError(Exception):
    """Base of all errors raised on purpose."""


class UserError(LaudError):
    """The input is wrong. The message is one line: where, what was found, what was expected."""


class ConfigError(UserError):
    """A key or value of the configuration is wrong."""


class CorpusError(UserError):
    """A file, column or row of the data is wrong."""


class RunError(UserError):
    """A run is missing, in use by another process, or differs from its configuration."""


class ModelError(UserError):
    """A model is missing, broken, or does not fit the task."""


class DamageError(UserError):
    """A file or row that laud_ray wrote is damaged, or was changed by somebody else."""


class ScratchError(UserError):
    """The temporary directory cannot be used, or another user's folder stands in the place of this user's."""


class EngineError(LaudError):
    """An engine has stopped, or can score no more: not any text is at fault, and its process must end.

    The message is the engine's last error, in one line.
    """


class PoolExhaustedError(LaudError):
    """More documents were asked for than the pool holds."""


class PassError(LaudError):
    """A pass cannot go on."""


class SetAsideError(PassError):
    """Some ranges were set aside, since their workers died again and again; all others were done before."""


class StoreError(LaudError):
    """A run's database cannot be read or written."""


class StorageError(LaudError, OSError):
    """An object store fails or cannot be reached. The message is one line without any secret."""


class StorageSettingsError(StorageError, UserError):
    """An object store's bucket is missing, or its credentials are missing or refused."""


class JobError(LaudError):
    """A cluster fails, or refuses a job."""


class AddressError(JobError, UserError):
    """No cluster is at the address, or it refuses the token."""


class ServiceError(LaudError):
    """A service refused a request, or could not be reached. The message is one line.

    Attributes:
        message: the same as str(error).
        status: the HTTP status; None where nothing answered.
        code: the service's word for it, such as "overloaded"; "unreachable" and "timeout" where nothing answered,
            "unreadable" where something else than the service did; None where a proxy answered without one.
        request_id: what the service's logs have it under; None where it has none.
    """

    def __init__(
        self, message: str, *, status: int | None = None, code: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.request_id = message, status, code, request_id
