"""All errors that laud_ray raises on purpose.

LaudError
├── UserError               the user's input is wrong; one line, exit code 2
│   ├── ConfigError         a key or value of the configuration is wrong
│   ├── CorpusError         a file, column or row of the data is wrong
│   ├── RunError            a run is missing, in use, or differs from its configuration
│   ├── ModelError          a model is missing, broken, or does not fit the task
│   ├── DamageError         a file or row that laud_ray wrote was damaged or changed afterwards
│   └── ScratchError        the temporary directory cannot be used, or belongs to another user
├── EngineError             an engine has stopped or cannot score; the worker process that gets it ends
├── PoolExhaustedError      more documents were requested than the pool holds
├── PassError               a pass cannot continue: every worker dies, or the disk is full
│   └── SetAsideError       some ranges were set aside because their workers died repeatedly
├── StoreError              a run's database is broken, full, locked or unreachable
├── StorageError            an object store fails or is unreachable; also an OSError
│   └── StorageSettingsError    its bucket is missing or its credentials are refused; also a UserError
├── JobError                a cluster fails, or refuses a job
│   └── AddressError            there is no cluster at the address, or it refuses the token; also a UserError
└── ServiceError            a service refused a request, or is unreachable
"""


class LaudError(Exception):
    """Base of all errors that laud_ray raises on purpose."""


class UserError(LaudError):
    """The user's input is wrong. The message is one line, `PLACE: VALUE is not valid; expected ...`."""


class ConfigError(UserError):
    """A key or value of the configuration is wrong."""


class CorpusError(UserError):
    """A file, column or row of the data is wrong."""


class RunError(UserError):
    """A run is missing, in use by another process, or differs from its configuration."""


class ModelError(UserError):
    """A model is missing, broken, or does not fit the task."""


class DamageError(UserError):
    """A file or row that laud_ray wrote was damaged, or changed by another program."""


class ScratchError(UserError):
    """The temporary directory cannot be used, or the folder that laud_ray needs there belongs to another user."""


class EngineError(LaudError):
    """An engine has stopped or cannot score any more. No text is the cause, and the engine's process must end.

    The message is the engine's last error, in one line.
    """


class PoolExhaustedError(LaudError):
    """More documents were requested than the pool holds."""


class PassError(LaudError):
    """A pass cannot continue."""


class SetAsideError(PassError):
    """Some ranges were set aside because their workers died repeatedly; all other ranges are done."""


class StoreError(LaudError):
    """A run's database cannot be read or written."""


class StorageError(LaudError, OSError):
    """An object store fails or is unreachable. The message is one line, and contains no secret."""


class StorageSettingsError(StorageError, UserError):
    """An object store's bucket is missing, or its credentials are missing or refused."""


class JobError(LaudError):
    """A cluster fails, or refuses a job."""


class AddressError(JobError, UserError):
    """There is no cluster at the address, or it refuses the token."""


class ServiceError(LaudError):
    """A service refused a request, or is unreachable. The message is one line.

    Attributes:
        message: the same as str(error).
        status: the HTTP status; None without a response.
        code: the service's error code, such as "overloaded". Without a response "unreachable" or "timeout"; for a
            response that is not the service's "unreadable"; None if a proxy responded without a code.
        request_id: identifies the request in the service's log; None if there is none.
    """

    def __init__(
        self, message: str, *, status: int | None = None, code: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.request_id = message, status, code, request_id
