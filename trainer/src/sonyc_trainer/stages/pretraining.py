"""Stage `pretrain`: the embedding, trained in the run or given, as the TFLite file that nodes will run."""

from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import save_embedding
from sonyc_trainer.embeddings.registry import source_for
from sonyc_trainer.folder import StudyFolder


def run(folder: StudyFolder, context: StageContext) -> None:
    """Make the embedding and check that it loads.

    Raises:
        EmbeddingError: this version has no such kind, a file does not fit, or there is nothing to train on.
        ModelError: the runtime cannot load the result.
    """
    embedding = source_for(folder.study).make(folder, context)
    embedding.open()
    save_embedding(folder.embedding_model, embedding)
